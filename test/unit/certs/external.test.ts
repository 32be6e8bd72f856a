import { beforeAll, describe, expect, test } from "bun:test";
import { signCsr, createCsr } from "../../../certs/csr.ts";
import { writeCsrs } from "../../../certs/external.ts";
import { generateKey } from "../../../certs/keys.ts";
import {
  copy,
  DIR,
  ISSUED,
  opensslVerify,
  openssl,
  params,
  pkiRoot,
  refusal,
  snapshot,
  spec,
  type PkiRoot,
  issuedFiles,
  type Files,
} from "./help.ts";

let issued: Files;
beforeAll(async () => {
  issued = await issuedFiles();
}, 60_000);

const worker = { ...params, nodeName: "node-w", nodeIp: "10.0.0.9" };
const options = { dir: DIR, role: "worker", params: worker, now: ISSUED } as const;

async function caOf(master: PkiRoot) {
  return { certPem: await master.read("ca.crt"), keyPem: await master.read("ca.key") };
}

describe("a node without the key of its authority", () => {
  test("gets its certificates by requests, and keeps its keys, no CA key and no admin", async () => {
    await using master = await pkiRoot(issued);
    await using node = await pkiRoot();
    const csrs = await writeCsrs(node.host, options);
    expect(csrs.map(({ path }) => path)).toEqual(
      ["kube-proxy", "health-check", "kubelet-client", "kubelet-server"].map((name) => `${DIR}/${name}.csr`),
    );
    const keys = await snapshot(node);
    for (const { id, pem } of csrs) {
      expect(await openssl("req", "-verify", "-noout", "-in", node.at(`${id}.csr`))).not.toContain("exit");
      const ca = await caOf(master);
      await node.write(`${id}.crt`, await signCsr(pem, { spec: spec(id), params: worker, ca, now: ISSUED }));
    }
    await copy(master, { to: node, files: ["ca.crt"] });
    expect(await node.ensure(options)).toEqual({
      outcome: "unchanged",
      issued: [],
      kept: ["ca", "kube-proxy", "health-check", "kubelet-client", "kubelet-server"],
    });
    const after = await snapshot(node);
    expect(Object.keys(after).filter((name) => !name.endsWith(".csr"))).toEqual([
      "ca.crt",
      "health-check.crt",
      "health-check.key",
      "kube-proxy.crt",
      "kube-proxy.key",
      "kubelet-client.crt",
      "kubelet-client.key",
      "kubelet-server.crt",
      "kubelet-server.key",
    ]);
    expect(after).toMatchObject(keys);
    expect(await node.mode("kubelet-client.key")).toBe(0o600);
    expect(await writeCsrs(node.host, options)).toEqual([]);
  });

  test("makes no request twice with another key", async () => {
    await using node = await pkiRoot();
    const first = await writeCsrs(node.host, options);
    expect(await writeCsrs(node.host, options)).toEqual(first);
  });

  test("is told which certificates are missing and how to have them signed", async () => {
    await using node = await pkiRoot(issued);
    await node.remove("ca.key");
    expect(await node.ensure()).toMatchObject({ outcome: "unchanged" });
    await node.remove("kubelet-server.crt");
    await node.write("admin.crt", "rubbish");
    const before = await snapshot(node);
    const error = await refusal(node.ensure());
    expect([error.message, error.hint]).toEqual([
      `Cannot issue certificates in "${DIR}": "${DIR}/ca.key" is not on this node; expected good certificates signed ` +
        "elsewhere, found: admin.crt (not a PEM certificate); kubelet-server.crt (the certificate is missing)",
      'write their requests with "nodelet certs csr", have them signed by the holder of that key, and put each certificate beside its request',
    ]);
    expect(await snapshot(node)).toEqual(before);
  });

  test("that is a worker makes no authority of its own", async () => {
    await using node = await pkiRoot();
    const error = await refusal(node.ensure(options));
    expect([error.message, error.hint]).toEqual([
      `Cannot issue the certificates of this worker: "${DIR}/ca.crt" is missing; expected the authority of the ` +
        "cluster, which a master gives to a node that joins",
      "join the node to its cluster again",
    ]);
    expect(await snapshot(node)).toEqual({});
  });
});

describe("signCsr()", () => {
  const other = { hint: "make the request again on the node that it is for, with the same configuration" };

  test("takes a request that openssl made, in the order and with the names of the list", async () => {
    await using master = await pkiRoot(issued);
    await openssl(
      "req",
      "-new",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-subj",
      "/CN=system:node:node-w/O=system:nodes",
      "-addext",
      "subjectAltName=IP:10.0.0.9,DNS:node-w",
      "-keyout",
      master.at("x.key"),
      "-out",
      master.at("x.csr"),
    );
    const csr = await master.read("x.csr");
    const ca = await caOf(master);
    const pem = await signCsr(csr, { spec: spec("kubelet-server"), params: worker, ca, now: ISSUED });
    await master.write("x.crt", pem);
    expect(await opensslVerify(master.at("x.crt"), { ca: master.at("ca.crt") })).toEndWith("OK\n");
  });

  test("refuses another subject, other names, more names, a broken signature, a weak key and rubbish", async () => {
    await using master = await pkiRoot(issued);
    const ca = await caOf(master);
    const key = await generateKey("ec");
    const now = ISSUED;
    const refuse = async (csr: string, id = "kubelet-server") => {
      const error = await refusal(signCsr(csr, { spec: spec(id), params: worker, ca, now }));
      expect(error.hint).toBe(other.hint);
      return error.message;
    };
    const make = (id: string, changed = {}) =>
      createCsr(spec(id), { key, params: { ...worker, ...changed } });
    expect(await refuse(await make("admin"), "kubelet-client")).toBe(
      `Cannot sign the request for "kubelet-client": its subject is "O=system:masters, CN=kubernetes-admin"; ` +
        `expected "O=system:nodes, CN=system:node:node-w"`,
    );
    expect(await refuse(await make("kubelet-server", { nodeIp: "fd00::1" }))).toBe(
      `Cannot sign the request for "kubelet-server": the names lack IP:10.0.0.9; the names have IP:fd00::1, which is ` +
        "not expected",
    );
    expect(await refuse(await make("kubelet-client"))).toBe(
      `Cannot sign the request for "kubelet-server": the names lack DNS:node-w, IP:10.0.0.9`,
    );
    const good = await make("kubelet-server");
    const body = Buffer.from(good.replace(/-----.*-----/g, ""), "base64");
    body[body.length - 5] = (body.at(-5) ?? 0) ^ 1;
    const broken = good.replace(/(-----\n)[^-]+/, `$1${body.toString("base64")}\n`);
    expect(await refuse(broken)).toBe(
      `Cannot sign the request for "kubelet-server": its signature is not made with its own key and SHA-256; ` +
        "expected proof that the node has the key",
    );
    const rubbish = `Cannot sign the request for "kubelet-server": it is not a PEM certificate request`;
    expect(await refuse("rubbish")).toBe(rubbish);
    expect(await refuse("x".repeat(20_000))).toBe(rubbish);
    await openssl(
      "req",
      "-new",
      "-newkey",
      "rsa:1024",
      "-nodes",
      "-subj",
      "/CN=x",
      "-keyout",
      master.at("x.key"),
      "-out",
      master.at("x.csr"),
    );
    expect(await refuse(await master.read("x.csr"))).toContain("it is an RSA key of 1024 bits; expected");
  });

  test("gives no authority to a request that asks for one", async () => {
    await using master = await pkiRoot(issued);
    await openssl(
      "req",
      "-new",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-subj",
      "/CN=system:kube-proxy",
      "-addext",
      "basicConstraints=critical,CA:TRUE",
      "-addext",
      "extendedKeyUsage=serverAuth",
      "-keyout",
      master.at("x.key"),
      "-out",
      master.at("x.csr"),
    );
    const ca = await caOf(master);
    const csr = await master.read("x.csr");
    await master.write(
      "x.crt",
      await signCsr(csr, { spec: spec("kube-proxy"), params: worker, ca, now: ISSUED }),
    );
    const text = await openssl("x509", "-noout", "-text", "-in", master.at("x.crt"));
    expect(text).toContain("CA:FALSE");
    expect(text).not.toContain("Server Authentication");
  });
});
