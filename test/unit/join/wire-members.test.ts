import { describe, expect, test } from "bun:test";
import { certificatesOf } from "../../../certs/list.ts";
import { identify, IDENTITY_HEADER, type NodeIdentity } from "../../../src/join/identity.ts";
import { routes } from "../../../src/join/protocol.ts";
import { forgetNode } from "../../../src/join/store.ts";
import { HOUR, joiner, refused, SECRET } from "./help.ts";
import { identityOf, type Listening, listening, refusedWithoutTrace } from "./wire-help.ts";

const IDS = certificatesOf("worker")
  .map(({ id }) => id)
  .sort();

describe("who is no node", () => {
  const ASKS: [string, (l: Listening, identity?: NodeIdentity) => Promise<unknown>][] = [
    [
      "secrets",
      async (l, identity) =>
        l.client({ token: await l.m.token({ role: "master" }), ...(identity && { identity }) }).secrets("w1"),
    ],
    [
      "to be registered",
      (l, identity) =>
        l.client(identity ? { identity } : {}).node({ ip: "10.0.0.6", labels: {}, taints: [] }),
    ],
    [
      "for certificates",
      async (l, identity) =>
        l
          .client(identity ? { identity } : {})
          .renew({ ip: "10.0.0.6", csrs: (await joiner("w1")).body.csrs }),
    ],
  ];

  test.each(ASKS)("asks %s without a certificate", async (_what, ask) => {
    await using l = await listening();
    const { code, message } = await refused(ask(l));
    expect({ code, message }).toEqual({
      code: "NotProven",
      message: "Cannot join: This needs the certificate of a node of this cluster",
    });
    expect((await l.m.state()).nodes).toEqual([]);
  });

  test.each(ASKS)("asks %s as an administrator", async (_what, ask) => {
    await using l = await listening();
    expect((await refused(ask(l, await l.m.issue("admin")))).code).toBe("NotProven");
  });

  test.each(ASKS)(
    "asks %s with a certificate of the cluster for a node that never joined",
    async (_what, ask) => {
      await using l = await listening();
      const identity = await l.m.issue("kubelet-client", { nodeName: "w1" });
      const { code, message } = await refused(ask(l, identity));
      expect({ code, message }).toEqual({
        code: "NodeUnknown",
        message: 'Cannot join: The masters know nothing of the node "w1"',
      });
    },
  );

  test("asks with the certificate of another node and a key of its own", async () => {
    await using l = await listening();
    const token = await l.m.token();
    const host = await joiner("w1");
    const { certificates } = await l.client({ token }).join(host.body);
    const own = await l.m.issue("kubelet-client", { nodeName: "w2" });
    // TLS with its own certificate, and words that are signed by nobody it names.
    const header = identify(
      { method: "POST", path: routes.renew, body: "{}" },
      { cert: certificates["kubelet-client"] ?? "", key: own.key },
    );
    const response = await fetch(`https://127.0.0.1:${l.address.port}${routes.renew}`, {
      method: "POST",
      body: "{}",
      headers: { [IDENTITY_HEADER]: header },
      tls: { ca: l.m.ca, ...own },
    });
    expect({ status: response.status, body: await response.json() }).toMatchObject({
      status: 403,
      body: { code: "NotProven" },
    });
  });

  test("shows a node's header without its certificate on the channel", async () => {
    await using l = await listening();
    const token = await l.m.token();
    const host = await joiner("w1");
    const { certificates } = await l.client({ token }).join(host.body);
    const header = identify({ method: "GET", path: routes.bundle, body: "" }, identityOf(host, certificates));
    const ask = (tls: object) =>
      fetch(`https://127.0.0.1:${l.address.port}${routes.bundle}`, {
        headers: { [IDENTITY_HEADER]: header },
        tls: { ca: l.m.ca, ...tls },
      });
    expect((await ask({})).status).toBe(403);
    expect((await ask(identityOf(host, certificates))).status).toBe(200);
  });
});

describe("a worker", () => {
  test("is not given the keys of the authorities", async () => {
    await using l = await listening();
    const token = await l.m.token();
    const host = await joiner("w1");
    const { certificates } = await l.client({ token }).join(host.body);
    const identity = identityOf(host, certificates);
    const seen = await refusedWithoutTrace(l, () => l.client({ token, identity }).secrets("w1"));
    expect(seen).toEqual({
      code: "NotAMaster",
      message: 'Cannot join: The node "w1" did not come as a master with this token',
    });
  });

  test("is not given them with a token for masters that it did not come with", async () => {
    await using l = await listening();
    const [own, stolen] = [await l.m.token(), await l.m.token({ role: "master" })];
    const host = await joiner("w1");
    const { certificates } = await l.client({ token: own }).join(host.body);
    const identity = identityOf(host, certificates);
    const seen = await refusedWithoutTrace(l, () => l.client({ token: stolen, identity }).secrets("w1"));
    expect(seen.code).toBe("NotAMaster");
  });

  test("may renew its certificates, and not for another key", async () => {
    await using l = await listening();
    const token = await l.m.token();
    const host = await joiner("w1");
    const { certificates } = await l.client({ token }).join(host.body);
    const client = l.client({ identity: identityOf(host, certificates) });
    const renewed = await client.renew({ ip: "10.0.0.6", csrs: host.body.csrs });
    expect(Object.keys(renewed).sort()).toEqual(IDS);
    const { body } = await joiner("w1");
    const seen = await refusedWithoutTrace(l, () => client.renew({ ip: "10.0.0.6", csrs: body.csrs }));
    expect(seen.message).toBe('Cannot join: The request of "w1" is for another key than its own');
  });

  test("goes, and is nobody from then on", async () => {
    await using l = await listening();
    const token = await l.m.token();
    const host = await joiner("w1");
    const { certificates } = await l.client({ token }).join(host.body);
    const client = l.client({ identity: identityOf(host, certificates) });
    await client.leave();
    expect((await l.m.state()).nodes).toEqual([]);
    expect((await refused(client.leave())).code).toBe("NotAMember");
  });

  test("is told that another host has its name now, also after that one was removed", async () => {
    await using l = await listening();
    const token = await l.m.token({ uses: 2 });
    const [burnt, fresh] = [await joiner("w1"), await joiner("w1")];
    const { certificates } = await l.client({ token }).join(burnt.body);
    const client = l.client({ identity: identityOf(burnt, certificates) });
    const ask = async () => (await refused(client.node({ ip: "10.0.0.6", labels: {}, taints: [] }))).code;
    // From the address of the node, where the burnt one is not any more.
    await l.m.service.answer({
      method: "POST",
      path: routes.join,
      header: (name) => (name === "authorization" ? `Bearer ${token.id}.${token.secret}` : undefined),
      body: JSON.stringify(fresh.body),
      from: fresh.body.ip,
      verified: false,
    });
    expect(await ask()).toBe("NotAMember");
    await forgetNode(l.m.ctx.kube, { name: "w1", now: l.m.clock.now() });
    expect(await ask()).toBe("NotAMember");
  });

  test("is not told that it was removed when the masters have lost what they knew", async () => {
    await using l = await listening();
    const token = await l.m.token();
    const host = await joiner("w1");
    const { certificates } = await l.client({ token }).join(host.body);
    l.m.w.kube.objects.delete(SECRET);
    const client = l.client({ identity: identityOf(host, certificates) });
    expect((await refused(client.renew({ ip: "10.0.0.6", csrs: host.body.csrs }))).code).toBe("NodeUnknown");
  });

  test("does not renew with the certificates of another node", async () => {
    await using l = await listening();
    const token = await l.m.token({ uses: 2 });
    const [one, two] = [
      await joiner("w1"),
      await joiner("w2", { ip: "10.0.0.7", machineId: "cd".repeat(16) }),
    ];
    const { certificates } = await l.client({ token }).join(one.body);
    await l.client({ token }).join(two.body);
    const client = l.client({ identity: identityOf(one, certificates) });
    const seen = await refusedWithoutTrace(l, () => client.renew({ ip: "10.0.0.7", csrs: two.body.csrs }));
    expect(seen.code).toBe("BadCertificateRequest");
  });
});

test("an expired certificate of a node that is known opens nothing", async () => {
  await using l = await listening();
  const identity = await l.m.issue("kubelet-client", { nodeName: "w1" }, Date.now() - 400 * 24 * HOUR);
  const error = await refused(l.client({ identity }).node({ ip: "10.0.0.6", labels: {}, taints: [] }));
  expect(error.code).toBe("NotProven");
});
