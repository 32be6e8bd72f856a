import { beforeAll, describe, expect, test } from "bun:test";
import { generateKey } from "../../../certs/keys.ts";
import {
  copy,
  DAY,
  DIR,
  ISSUED,
  openssl,
  pkiRoot,
  refusal,
  snapshot,
  issuedFiles,
  type Files,
} from "./help.ts";

let issued: Files;
let others: Files;
beforeAll(async () => {
  issued = await issuedFiles();
  others = await issuedFiles();
}, 60_000);

const hint =
  `put the right file back from a backup; or, to make a new authority that no other node knows, ` +
  `move "${DIR}/ca.crt" and "${DIR}/ca.key" away`;

describe("ensurePki() never replaces an authority", () => {
  test("refuses a corrupt CA certificate, and leaves every file alone", async () => {
    await using node = await pkiRoot(issued);
    await node.write("ca.crt", "rubbish");
    const before = await snapshot(node);
    const error = await refusal(node.ensure({ regenerate: true }));
    expect([error.message, error.hint]).toEqual([
      `Cannot use the certificate authority "${DIR}/ca.crt": it is not a PEM certificate; ` +
        "expected the certificate of an authority",
      hint,
    ]);
    expect(await snapshot(node)).toEqual(before);
  });

  test("refuses a certificate that is no authority", async () => {
    await using node = await pkiRoot(issued);
    await node.write("ca.crt", await node.read("admin.crt"));
    expect((await refusal(node.ensure())).message).toBe(
      `Cannot use the certificate authority "${DIR}/ca.crt": "O=system:masters, CN=kubernetes-admin" is not an ` +
        "authority; expected a certificate with CA:TRUE that may sign certificates",
    );
  });

  test("refuses a key that belongs to another authority, without showing it", async () => {
    await using node = await pkiRoot(issued);
    await node.write("ca.key", (await generateKey("rsa")).privatePem);
    const error = await refusal(node.ensure());
    expect([error.message, error.hint]).toEqual([
      `Cannot use the key of the certificate authority "${DIR}/ca.key": it does not belong to the certificate; ` +
        "expected the key that the certificate is for",
      hint,
    ]);
  });

  test("refuses a corrupt key, with and without a certificate", async () => {
    await using node = await pkiRoot(issued);
    await node.write("ca.key", "rubbish");
    expect((await refusal(node.ensure())).message).toBe(
      `Cannot use the key of the certificate authority "${DIR}/ca.key": it is not a readable private key; ` +
        "expected an RSA key of at least 2048 bits without a password",
    );
    await node.remove("ca.crt");
    expect((await refusal(node.ensure())).message).toBe(
      `Cannot use the key of the certificate authority "${DIR}/ca.key": it is no private key that an authority can ` +
        "be made for; expected an RSA key of at least 2048 bits without a password",
    );
  });

  test("refuses an authority that has expired or is not in force yet", async () => {
    await using node = await pkiRoot(issued);
    expect((await refusal(node.ensure({ now: new Date(ISSUED.getTime() + 3650 * DAY) }))).message).toBe(
      `Cannot use the certificate authority "${DIR}/ca.crt": it expired on 2036-05-29T12:00:00.000Z; ` +
        "expected an authority that is in force",
    );
    expect((await refusal(node.ensure({ now: new Date(ISSUED.getTime() - DAY - 1) }))).message).toContain(
      "it is not valid before 2026-05-31T12:00:00.000Z",
    );
  });

  test("takes it, and all that it issued, on a clock that was put right from local time", async () => {
    await using node = await pkiRoot(issued);
    const back = new Date(ISSUED.getTime() - 14 * 3_600_000);
    expect(await node.ensure({ now: back })).toMatchObject({ outcome: "unchanged", issued: [] });
  });

  test("refuses a key of another type than RSA", async () => {
    await using node = await pkiRoot(issued);
    const [key, crt] = [node.at("ca.key"), node.at("ca.crt")];
    await openssl(
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-subj",
      "/CN=x",
      "-keyout",
      key,
      "-out",
      crt,
    );
    expect((await refusal(node.ensure({ now: new Date() }))).message).toContain(
      `ca.key": it is a key of type ec; expected an RSA key`,
    );
  });

  test("takes an authority that the operator made, with its own subject, and issues from it", async () => {
    await using node = await pkiRoot();
    await node.write("ca.crt", "");
    await openssl(
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-utf8",
      "-subj",
      "/C=DE/O=Grün & Söhne/CN=Root",
      "-days",
      "90",
      "-keyout",
      node.at("ca.key"),
      "-out",
      node.at("ca.crt"),
      "-addext",
      "keyUsage=critical,keyCertSign,cRLSign",
    );
    const ca = await node.read("ca.crt");
    const { issued: done } = await node.ensure({ now: new Date() });
    expect(done).not.toContain("ca");
    expect(await node.read("ca.crt")).toBe(ca);
    expect(
      await openssl("verify", "-x509_strict", "-CAfile", node.at("ca.crt"), node.at("apiserver.crt")),
    ).toEndWith("apiserver.crt: OK\n");
    expect(await node.ensure({ now: new Date() })).toMatchObject({ outcome: "unchanged" });
  });
});

describe("ensurePki() never replaces the service-account key", () => {
  test("refuses a corrupt key, a foreign public half, and a public half alone", async () => {
    await using node = await pkiRoot(issued);
    await using foreign = await pkiRoot(others);
    const [key, pub] = [await node.read("sa.key"), await node.read("sa.pub")];
    await node.write("sa.key", "rubbish");
    expect((await refusal(node.ensure())).message).toBe(
      `Cannot use the service-account key "${DIR}/sa.key": it is not a readable private key; expected a private RSA ` +
        "key of at least 2048 bits without a password",
    );
    await node.write("sa.key", key);
    await copy(foreign, { to: node, files: ["sa.pub"] });
    expect((await refusal(node.ensure())).message).toBe(
      `Cannot use the service-account key "${DIR}/sa.pub": it is not the public half of the private key; expected ` +
        "the public half",
    );
    await node.write("sa.pub", pub);
    await node.remove("sa.key");
    expect((await refusal(node.ensure())).message).toBe(
      `Cannot use the service-account key "${DIR}/sa.key": it is missing beside its public half; expected the ` +
        "private key",
    );
  });
});
