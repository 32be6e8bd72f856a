import { expect, test } from "bun:test";
import { beAdmitted } from "../../../src/cli/join-admit.ts";
import { JoinClient } from "../../../src/join/client.ts";
import type * as protocol from "../../../src/join/protocol.ts";
import { changeJoinState } from "../../../src/join/store.ts";
import { fakeClock } from "../../fake/clock.ts";
import { world } from "../../fake/ctx.ts";
import { refused } from "../join/help.ts";
import { type Listening, listening } from "../join/wire-help.ts";

/** A way to the master on which something happens as soon as the host was admitted. */
class Eventful extends JoinClient {
  happens: () => void | Promise<void> = () => {};

  override async join(body: protocol.JoinRequest): Promise<protocol.JoinAnswer> {
    const answer = await super.join(body);
    await this.happens();
    return answer;
  }
}

/** A host that is to be the master `m2`, and is refused the keys of the authorities. */
async function refusedKeys(l: Listening, call: { first: boolean; happens: Eventful["happens"] }) {
  await using w = await world({ config: { nodeName: "m2", nodeIp: "10.0.0.6", role: "master" } });
  await w.root.write("/etc/machine-id", `${"ab".repeat(16)}\n`);
  const ctx = { ...w.ctx, clock: fakeClock(Date.now()) };
  const token = await l.m.token({ role: "master" });
  const client = new Eventful(l.address, { ca: l.m.ca, token, signal: new AbortController().signal });
  client.happens = call.happens;
  const met = { ca: l.m.ca, client };
  return (await refused(beAdmitted({ ctx }, { met, token, first: call.first }))).code;
}

const revoke = (l: Listening) => () =>
  changeJoinState(l.m.ctx.kube, {
    now: l.m.clock.now(),
    change: (state) => ({
      state: { ...state, tokens: state.tokens.map((token) => ({ ...token, revoked: true })) },
      result: undefined,
    }),
  });

const names = async (l: Listening) => (await l.m.state()).nodes.map(({ name }) => name);

test("a host that is refused the keys after it was admitted leaves no record of itself", async () => {
  await using l = await listening();
  expect(await refusedKeys(l, { first: true, happens: revoke(l) })).toBe("TokenRevoked");
  expect(await names(l)).toEqual([]);
});

test("a host that was of the cluster before stays known to it, and may come again", async () => {
  await using l = await listening();
  expect(await refusedKeys(l, { first: false, happens: revoke(l) })).toBe("TokenRevoked");
  expect(await names(l)).toEqual(["m2"]);
});

test("a host whose master was not ready for a moment stays known to it, and may come again", async () => {
  await using l = await listening();
  const happens = () => void (l.m.w.kube.up = false);
  expect(await refusedKeys(l, { first: true, happens })).toBe("NotReady");
  l.m.w.kube.up = true;
  expect(await names(l)).toEqual(["m2"]);
});
