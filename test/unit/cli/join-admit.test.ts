import { expect, test } from "bun:test";
import { beAdmitted } from "../../../src/cli/join-admit.ts";
import { JoinClient } from "../../../src/join/client.ts";
import type * as protocol from "../../../src/join/protocol.ts";
import { changeJoinState } from "../../../src/join/store.ts";
import type { Token } from "../../../src/join/token.ts";
import { fakeClock } from "../../fake/clock.ts";
import { world } from "../../fake/ctx.ts";
import { refused } from "../join/help.ts";
import { type Listening, listening } from "../join/wire-help.ts";

/** A way to the master on which the token is revoked as soon as the host was admitted with it. */
class RevokedMeanwhile extends JoinClient {
  readonly #l: Listening;

  constructor(l: Listening, token: Token) {
    super(l.address, { ca: l.m.ca, token, signal: new AbortController().signal });
    this.#l = l;
  }

  override async join(body: protocol.JoinRequest): Promise<protocol.JoinAnswer> {
    const answer = await super.join(body);
    await changeJoinState(this.#l.m.ctx.kube, {
      now: this.#l.m.clock.now(),
      change: (state) => ({
        state: { ...state, tokens: state.tokens.map((token) => ({ ...token, revoked: true })) },
        result: undefined,
      }),
    });
    return answer;
  }
}

/** A host that is to be the master `m2`, and is refused the keys of the authorities. */
async function refusedKeys(l: Listening, { first }: { first: boolean }) {
  await using w = await world({ config: { nodeName: "m2", nodeIp: "10.0.0.6", role: "master" } });
  await w.root.write("/etc/machine-id", `${"ab".repeat(16)}\n`);
  const ctx = { ...w.ctx, clock: fakeClock(Date.now()) };
  const token = await l.m.token({ role: "master" });
  const met = { ca: l.m.ca, client: new RevokedMeanwhile(l, token) };
  return (await refused(beAdmitted({ ctx }, { met, token, first }))).code;
}

test("a host that is refused the keys after it was admitted leaves no record of itself", async () => {
  await using l = await listening();
  expect(await refusedKeys(l, { first: true })).toBe("TokenRevoked");
  expect((await l.m.state()).nodes).toEqual([]);
});

test("a host that was of the cluster before stays known to it, and may come again", async () => {
  await using l = await listening();
  expect(await refusedKeys(l, { first: false })).toBe("TokenRevoked");
  expect((await l.m.state()).nodes.map(({ name }) => name)).toEqual(["m2"]);
});
