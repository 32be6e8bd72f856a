import { expect, test } from "bun:test";
import { generateKey } from "../../../certs/keys.ts";
import { authorities, type CaSpec } from "../../../certs/list.ts";
import { issueCa, issueLeaf } from "../../../certs/issue.ts";
import { pkiOptions } from "../../../certs/options.ts";
import type { NodeIdentity } from "../../../src/join/identity.ts";
import { refusal, spec } from "../certs/help.ts";
import { master, type Master } from "./help.ts";
import { authorityAt, clientAt, HELLO, impostor, listening } from "./wire-help.ts";

/** Another authority of the same name, and a join server of it at the same address. */
async function stranger(m: Master): Promise<{ ca: string; identity: NodeIdentity }> {
  const key = await generateKey("rsa");
  const ca = await issueCa(authorities[0] as CaSpec, { key, now: new Date() });
  const own = await generateKey("ec");
  const cert = await issueLeaf(spec("join-server"), {
    ca: { certPem: ca, keyPem: key.privatePem },
    publicPem: own.publicPem,
    params: pkiOptions(m.ctx).params,
    now: new Date(),
  });
  return { ca, identity: { cert, key: own.privatePem } };
}

const wrongPin = (port: number) =>
  `Cannot join at 127.0.0.1:${port}: whoever answers is not of the cluster that the token was made for`;

test("a master of the token's cluster is believed, and only the certificate that the pin is of", async () => {
  await using l = await listening();
  const token = await l.m.token();
  expect(await l.authority(token)).toBe(l.m.ca);
});

test("somebody with another authority is told nothing", async () => {
  await using m = await master();
  const { ca, identity } = await stranger(m);
  using thief = await impostor(identity, { ca });
  const error = await refusal(authorityAt(thief.address, await m.token()));
  expect(error.message).toBe(wrongPin(thief.address.port));
  expect(error.hint).toBe("name a master of that cluster; if this is one, its answer was changed on the way");
  expect(thief.heard).toEqual(["/v1/ca nothing"]);
});

test.each([{}, { ca: 5 }, { ca: "" }, { ca: "garbage" }, ["x"]])(
  "an answer %j is nobody's",
  async (answer) => {
    await using m = await master();
    const { identity } = await stranger(m);
    using thief = await impostor(identity, answer);
    const error = await refusal(authorityAt(thief.address, await m.token()));
    expect(error.message).toBe(wrongPin(thief.address.port));
  },
);

test("who relays the true authority without a key of it hears no token", async () => {
  await using m = await master();
  const { identity } = await stranger(m);
  using thief = await impostor(identity, { ca: m.ca });
  const token = await m.token();
  const ca = await authorityAt(thief.address, token);
  const error = await refusal(clientAt(thief.address, { ca, token }).hello(HELLO));
  expect(error.message).toStartWith(
    `Cannot join at 127.0.0.1:${thief.address.port}: whoever answers cannot prove to be a master (`,
  );
  expect(thief.heard).toEqual(["/v1/ca nothing"]);
});

test("who puts an authority of their own behind the true one hears no token", async () => {
  await using m = await master();
  const { ca: own, identity } = await stranger(m);
  using thief = await impostor(identity, { ca: `${m.ca}${own}` });
  const token = await m.token();
  const ca = await authorityAt(thief.address, token);
  expect(ca).toBe(m.ca);
  const error = await refusal(clientAt(thief.address, { ca, token }).hello(HELLO));
  expect(error.message).toContain("cannot prove to be a master");
  expect(thief.heard).toEqual(["/v1/ca nothing"]);
});

test("who puts an authority of their own before the true one is not believed", async () => {
  await using m = await master();
  const { ca: own, identity } = await stranger(m);
  using thief = await impostor(identity, { ca: `${own}${m.ca}` });
  const error = await refusal(authorityAt(thief.address, await m.token()));
  expect(error.message).toBe(wrongPin(thief.address.port));
});

test("a worker that passes for a master at its own address hears no token", async () => {
  await using m = await master();
  const worker = await m.issue("kubelet-server", { nodeName: "w9", nodeIp: "127.0.0.1" });
  using thief = await impostor(worker, { ca: m.ca });
  const token = await m.token();
  const ca = await authorityAt(thief.address, token);
  const error = await refusal(clientAt(thief.address, { ca, token }).hello(HELLO));
  expect(error).toMatchObject({
    message: `Cannot join at 127.0.0.1:${thief.address.port}: whoever answers cannot prove to be a master (CERT_OF_NO_MASTER)`,
    hint: "name a master, by an address that is in its certificate, and look whether the clocks agree",
  });
  expect(thief.heard).toEqual(["/v1/ca nothing"]);
});

test("a master's certificate for another address is not believed", async () => {
  await using m = await master();
  using thief = await impostor(await m.issue("join-server"), { ca: m.ca });
  const token = await m.token();
  const address = { host: "localhost", port: thief.address.port };
  const elsewhere = { host: "127.0.0.2", port: thief.address.port };
  expect(await authorityAt(address, token)).toBe(m.ca);
  const error = await refusal(clientAt(elsewhere, { ca: m.ca, token }).hello(HELLO));
  expect(error.message).toMatch(/^Cannot (join|reach a master) at 127\.0\.0\.2/);
  expect(thief.heard).toEqual(["/v1/ca nothing"]);
});

test("nobody there is said in words", async () => {
  await using l = await listening();
  const token = await l.m.token();
  l.server.stop();
  const error = await refusal(l.authority(token));
  expect(error).toMatchObject({
    message: `Cannot reach a master at 127.0.0.1:${l.address.port}: ECONNREFUSED`,
    hint: "check the address; on the master nodelet status must be ok, and the port open",
  });
});
