import { describe, expect, test } from "bun:test";
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import {
  builtInKeys,
  fingerprintOf,
  keyLine,
  newKeyPair,
  readPrivateKey,
  readPublicKey,
} from "../../../src/bundle/trust.ts";
import { refusal } from "./world.ts";

describe("keys", () => {
  test("read as they were written, as a line and as PEM", () => {
    const { publicKey, privateKey, fingerprint } = newKeyPair();
    expect(publicKey).toMatch(/^ed25519:[A-Za-z0-9+/]{43}=$/);
    expect(fingerprint).toMatch(/^([0-9a-f]{4}-){7}[0-9a-f]{4}$/);
    const pem = createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString();
    for (const text of [publicKey, `${publicKey}\n`, pem]) {
      const { key, ...rest } = readPublicKey(text, "x");
      expect([keyLine(key), rest.fingerprint]).toEqual([publicKey, fingerprint]);
    }
    const read = readPrivateKey(privateKey, "x");
    expect([keyLine(read), fingerprintOf(read)]).toEqual([publicKey, fingerprint]);
  });

  test("of an example have the fingerprint that sha256sum gives for their 32 bytes", () => {
    const line = `ed25519:${Buffer.alloc(32).toString("base64")}`;
    expect(readPublicKey(line, "x").fingerprint).toBe("6668-7aad-f862-bd77-6c8f-c18b-8e9f-8e20");
  });

  const rsa = generateKeyPairSync("rsa", { modulusLength: 1024 });
  test.each([
    ["nothing", ""],
    ["a line that is too short", "ed25519:AAAA"],
    ["another word", `ed448:${Buffer.alloc(32).toString("base64")}`],
    ["a key of another kind", rsa.publicKey.export({ type: "spki", format: "pem" }).toString()],
  ])("%s is no public key", async (_, text) => {
    expect(await refusal(() => readPublicKey(text, '"x.pub"'))).toBe(
      'Cannot use the key in "x.pub": it is no public ed25519 key; expected the file NAME.pub that "nodelet bundle keygen" wrote',
    );
  });

  test.each([
    ["nothing", () => ""],
    ["a public key", () => newKeyPair().publicKey],
    ["a key of another kind", () => rsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString()],
  ])("%s signs nothing, and is not shown", async (_, text) => {
    expect(await refusal(() => readPrivateKey(text(), '"x.key"'))).toBe(
      'Cannot sign with the key in "x.key": it is no private ed25519 key; make one: nodelet bundle keygen NAME',
    );
  });

  test("are not built into the source", () => {
    expect(builtInKeys()).toEqual([]);
  });
});
