import { describe, expect, test } from "bun:test";
import { certificatesOf } from "../../../certs/list.ts";
import type { RefusalCode } from "../../../src/join/refusal.ts";
import { joiner } from "./help.ts";
import { HELLO, identityOf, listening, refusedWithoutTrace } from "./wire-help.ts";

const IDS = certificatesOf("worker")
  .map(({ id }) => id)
  .sort();

test("a host with a token learns what the cluster is, joins, and comes again", async () => {
  await using l = await listening();
  const token = await l.m.token();
  const client = l.client({ token });
  expect(await client.hello(HELLO)).toMatchObject({ role: "worker", clusterId: "c-1", seenAs: "127.0.0.1" });
  const host = await joiner("w1");
  const answer = await client.join(host.body);
  expect(Object.keys(answer.certificates).sort()).toEqual(IDS);
  expect(l.m.noted).toEqual([`join: worker "w1" (10.0.0.6) was admitted with the token ${token.id}`]);
  const once = await l.m.state();
  expect((await client.join(host.body)).podCidr).toBe(answer.podCidr);
  expect(await l.m.state()).toEqual(once);
});

describe("a token that opens nothing leaves nothing", () => {
  test.each([
    ["expired", { expires: 1_700_000_000_000 }, "TokenExpired", "expired at 2023-11-14T22:13:20.000Z"],
    ["revoked", { revoked: true }, "TokenRevoked", "was revoked"],
    ["used up", { used: ["somebody"] }, "TokenUsedUp", "was used 1 of 1 times"],
    ["for a master", { role: "master" as const }, "TokenRole", "is for a master, and not for a worker"],
  ])("%s", async (_how, change, code, words) => {
    await using l = await listening();
    const token = await l.m.token(change);
    const { body } = await joiner("w1");
    const seen = await refusedWithoutTrace(l, () => l.client({ token }).join(body));
    expect(seen).toEqual({
      code: code as RefusalCode,
      message: `Cannot join: The token "${token.id}" ${words}`,
    });
  });

  test("unknown, in the same words as a wrong secret", async () => {
    await using l = await listening();
    const token = await l.m.token();
    const { body } = await joiner("w1");
    const unknown = { ...token, id: "nobody" };
    const guessed = { ...token, secret: "x".repeat(27) };
    const join = (one: typeof token) => refusedWithoutTrace(l, () => l.client({ token: one }).join(body));
    expect(await join(unknown)).toEqual({
      code: "TokenUnknown",
      message: 'Cannot join: The token "nobody" is not one of this cluster',
    });
    expect(await join(guessed)).toEqual({
      code: "TokenUnknown",
      message: `Cannot join: The token "${token.id}" is not one of this cluster`,
    });
  });
});

test("a join that is replayed by another machine is refused, and the first stays who it is", async () => {
  await using l = await listening();
  const token = await l.m.token({ uses: 2 });
  const host = await joiner("w1");
  await l.client({ token }).join(host.body);
  const thief = { ...host.body, machineId: "cd".repeat(16) };
  expect(await refusedWithoutTrace(l, () => l.client({ token }).join(thief))).toEqual({
    code: "NameTaken",
    message: 'Cannot join: There is a node "w1" already (10.0.0.6), and it is joining',
  });
});

describe("requests for other certificates are refused", () => {
  test.each([
    ["another node's name", { asks: { nodeName: "w2" } }, 'its subject is "'],
    [
      "another address",
      { asks: { nodeIp: "10.0.0.5" } },
      "the names lack IP:10.0.0.6; the names have IP:10.0.0.5",
    ],
  ])("%s", async (_what, options, words) => {
    await using l = await listening();
    const token = await l.m.token();
    const { body } = await joiner("w1", options);
    const seen = await refusedWithoutTrace(l, () => l.client({ token }).join(body));
    expect(seen.code).toBe("BadCertificateRequest");
    expect(seen.message).toContain(words);
  });

  test.each([
    ["kubernetes.default.svc", "10.0.0.6", "NameTaken"],
    ["w1", "10.21.0.1", "AddressTaken"],
  ])("as the API: %s at %s", async (name, ip, code) => {
    await using l = await listening();
    const token = await l.m.token();
    const { body } = await joiner(name, { ip });
    expect((await refusedWithoutTrace(l, () => l.client({ token }).join(body))).code).toBe(
      code as RefusalCode,
    );
  });
});

test("a master is given the keys, sealed with the token that it came with", async () => {
  await using l = await listening();
  const token = await l.m.token({ role: "master" });
  const host = await joiner("m2", { role: "master" });
  const { certificates } = await l.client({ token }).join(host.body);
  const identity = identityOf(host, certificates);
  const texts = await l.client({ token, identity }).secrets("m2");
  expect(texts[`${l.m.ctx.paths.certs}/ca.key`]).toContain("PRIVATE KEY");
  expect(Object.keys(texts)).toHaveLength(8);
});
