import { describe, expect, test } from "bun:test";
import { sign } from "node:crypto";
import { identify, type NodeIdentity, provenNode } from "../../../src/join/identity.ts";
import { HOUR, master } from "./help.ts";

const REQUEST = { method: "POST", path: "/v1/renew", body: '{"a":1}' };
const YEAR = 365 * 24 * HOUR;

async function proof() {
  const m = await master();
  const identity = await m.issue("kubelet-client", { nodeName: "w1" });
  return { m, identity, options: { request: REQUEST, ca: m.ca, now: Date.now() } };
}

test("a node is known by the name in its certificate, and by its key", async () => {
  const { m, identity, options } = await proof();
  await using _ = m;
  const proven = provenNode(identify(REQUEST, identity), options);
  expect(proven).toEqual({ name: "w1", key: expect.stringMatching(/^[0-9a-f]{64}$/) });
  const other = await m.issue("kubelet-client", { nodeName: "w1" });
  expect(provenNode(identify(REQUEST, other), options)?.key).not.toBe(proven?.key);
});

test("whoever may have something may ask how large it is", async () => {
  const { m, identity, options } = await proof();
  await using _ = m;
  const header = identify({ method: "GET", path: "/v1/bundle", body: "" }, identity);
  const request = { method: "HEAD", path: "/v1/bundle", body: "" };
  expect(provenNode(header, { ...options, request })?.name).toBe("w1");
});

describe("no proof is", () => {
  test.each([
    ["a signature of another method", { ...REQUEST, method: "PUT" }],
    ["a signature of another path", { ...REQUEST, path: "/v1/node" }],
    ["a signature of a path with a query", { ...REQUEST, path: "/v1/renew?x" }],
    ["a signature of another body", { ...REQUEST, body: '{"a":2}' }],
  ])("%s", async (_what, request) => {
    const { m, identity, options } = await proof();
    await using _ = m;
    expect(provenNode(identify(REQUEST, identity), { ...options, request })).toBeUndefined();
  });

  test("a certificate without the key that belongs to it", async () => {
    const { m, identity, options } = await proof();
    await using _ = m;
    const thief = await m.issue("kubelet-client", { nodeName: "w2" });
    const header = identify(REQUEST, { cert: identity.cert, key: thief.key });
    expect(provenNode(header, options)).toBeUndefined();
  });

  test("a certificate of another authority", async () => {
    const { m, options } = await proof();
    await using _ = m;
    const foreign = await m.ctx.host.read(`${m.ctx.paths.certs}/etcd/ca.crt`);
    const identity = await m.issue("kubelet-client", { nodeName: "w1" });
    expect(provenNode(identify(REQUEST, identity), { ...options, ca: foreign ?? "" })).toBeUndefined();
  });

  test.each(["admin", "kube-proxy", "kubelet-server", "apiserver", "apiserver-kubelet-client"])(
    "the certificate %s of the same authority, unless it names a node",
    async (id) => {
      const { m, options } = await proof();
      await using _ = m;
      const proven = provenNode(identify(REQUEST, await m.issue(id, { nodeName: "w1" })), options);
      // The two certificates of a kubelet name the same node.
      expect(proven?.name).toBe(id === "kubelet-server" ? "w1" : undefined);
    },
  );

  test.each([
    ["that has ended", -2 * YEAR],
    ["that has not begun", YEAR],
  ])("a certificate %s", async (_what, shift) => {
    const { m, options } = await proof();
    await using _ = m;
    const identity = await m.issue("kubelet-client", { nodeName: "w1" }, Date.now() + shift);
    expect(provenNode(identify(REQUEST, identity), options)).toBeUndefined();
  });

  test.each(["", ".", "garbage", "AAAA.AAAA", "a.b.c", ".".repeat(5000), "é.ü"])("%j", async (header) => {
    const { m, options } = await proof();
    await using _ = m;
    expect(provenNode(header, options)).toBeUndefined();
  });

  test("a signature of the same words for something else", async () => {
    const { m, identity, options } = await proof();
    await using _ = m;
    const header = withSignature(identity, `${REQUEST.method}\n${REQUEST.path}\n${REQUEST.body}`);
    expect(provenNode(header, options)).toBeUndefined();
  });
});

function withSignature(identity: NodeIdentity, text: string): string {
  const [cert] = identify(REQUEST, identity).split(".");
  return `${cert}.${sign("sha256", Buffer.from(text), identity.key).toString("base64")}`;
}
