import { describe, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { joinSigner } from "../../../src/daemon/signer.ts";
import { keyIdOf } from "../../../src/join/identity.ts";
import { refusal } from "../certs/help.ts";
import { joiner, master } from "../join/help.ts";

const CALL = { name: "w1", ip: "10.0.0.6" };

test("requests of a node are signed for its name and address, and nothing more", async () => {
  await using m = await master();
  const { body } = await joiner("w1");
  const certificates = await joinSigner.sign(m.ctx, { ...CALL, csrs: body.csrs });
  const look = (id: string) => new X509Certificate(certificates[id] ?? "");
  expect(look("kubelet-client").subject).toBe("O=system:nodes\nCN=system:node:w1");
  expect(look("kubelet-server").subjectAltName).toBe("DNS:w1, IP Address:10.0.0.6");
  const ca = new X509Certificate(m.ca);
  expect(Object.keys(certificates).map((id) => [look(id).verify(ca.publicKey), look(id).ca])).toEqual(
    Object.keys(certificates).map(() => [true, false]),
  );
});

test("a node is known by the key of its kubelet", async () => {
  const { body, keys } = await joiner("w1");
  expect(await joinSigner.keyOf(body.csrs)).toBe(keyIdOf(keys["kubelet-client"]?.publicPem ?? ""));
});

describe("is refused", () => {
  test("a request for a certificate that only masters have", async () => {
    await using m = await master();
    const { body } = await joiner("w1");
    const csrs = { ...body.csrs, admin: body.csrs["kubelet-client"] ?? "" };
    const error = await refusal(joinSigner.sign(m.ctx, { ...CALL, csrs }));
    expect(error.message).toStartWith('A node has no certificate "admin"; expected ');
  });

  test("a set in which one is missing", async () => {
    await using m = await master();
    const { "kubelet-server": _, ...csrs } = (await joiner("w1")).body.csrs;
    const error = await refusal(joinSigner.sign(m.ctx, { ...CALL, csrs }));
    expect(error.message).toBe(
      'There is no request for "kubelet-server"; expected one for each certificate of a node',
    );
  });

  test.each([{}, { "kubelet-client": "" }, { "kubelet-client": "garbage" }])(
    "a node without a key: %j",
    async (csrs) => {
      expect((await refusal(joinSigner.keyOf(csrs))).message).toBe(
        'There is no request for "kubelet-client"; expected one for each certificate of a node',
      );
    },
  );

  test.each([
    ["the name of another node", { nodeName: "m1" }],
    ["another address", { nodeIp: "10.0.0.5" }],
  ])("%s", async (_what, asks) => {
    await using m = await master();
    const { body } = await joiner("w1", { asks });
    const error = await refusal(joinSigner.sign(m.ctx, { ...CALL, csrs: body.csrs }));
    expect(error.message).toStartWith('Cannot sign the request for "kubelet-');
  });

  test("a request of one certificate for another", async () => {
    await using m = await master();
    const { csrs } = (await joiner("w1")).body;
    const swapped = { ...csrs, "kube-proxy": csrs["kubelet-client"] ?? "" };
    const error = await refusal(joinSigner.sign(m.ctx, { ...CALL, csrs: swapped }));
    expect(error.message).toBe(
      'Cannot sign the request for "kube-proxy": its subject is "O=system:nodes, CN=system:node:w1"; expected "CN=system:kube-proxy"',
    );
  });

  test("everything, where the key of the authority is elsewhere", async () => {
    await using m = await master();
    const { body } = await joiner("w1");
    const host = { ...m.ctx.host, read: async () => undefined };
    const error = await refusal(joinSigner.sign({ ...m.ctx, host }, { ...CALL, csrs: body.csrs }));
    expect(error).toMatchObject({
      message: 'This master has no key of the authority "ca"',
      hint: "join at a master that has it; with an authority elsewhere see nodelet certs csr",
    });
  });
});
