import { describe, expect, test } from "bun:test";
import { sign } from "node:crypto";
import { encodeSignatures, parseSignatures, signerOf, signIndex } from "../../../src/bundle/signature.ts";
import { keyPair, refusal } from "./world.ts";

const INDEX = Buffer.from('{"format":2}');

describe("signerOf()", () => {
  test("is the trusted key that signed", () => {
    const [one, two] = [keyPair(), keyPair()];
    const signatures = [one, two].map(({ privateKey }) => signIndex(INDEX, privateKey));
    expect(signerOf(INDEX, { signatures, trusted: [two.trusted] })?.fingerprint).toBe(two.fingerprint);
    expect(signerOf(INDEX, { signatures, trusted: [keyPair().trusted] })).toBeUndefined();
    expect(signerOf(INDEX, { signatures, trusted: [] })).toBeUndefined();
  });

  test("is nobody for another index", () => {
    const { privateKey, trusted } = keyPair();
    const signatures = [signIndex(INDEX, privateKey)];
    expect(signerOf(Buffer.from('{"format":3}'), { signatures, trusted: [trusted] })).toBeUndefined();
  });

  test("is nobody when another key signs in the name of the trusted one", () => {
    const [good, evil] = [keyPair(), keyPair()];
    const signatures = [{ ...signIndex(INDEX, evil.privateKey), key: good.fingerprint }];
    expect(signerOf(INDEX, { signatures, trusted: [good.trusted] })).toBeUndefined();
  });

  test("is nobody for a signature over the bare bytes: ours are made for indexes alone", () => {
    const { privateKey, fingerprint, trusted } = keyPair();
    const signatures = [{ key: fingerprint, signature: sign(null, INDEX, privateKey).toString("base64") }];
    expect(signerOf(INDEX, { signatures, trusted: [trusted] })).toBeUndefined();
  });

  test.each(["", "AA==", "!", "A".repeat(5000)])(
    "is nobody for the signature %p, which is none",
    (signature) => {
      const { fingerprint, trusted } = keyPair();
      expect(
        signerOf(INDEX, { signatures: [{ key: fingerprint, signature }], trusted: [trusted] }),
      ).toBeUndefined();
    },
  );
});

describe("the signatures of a file", () => {
  test("read as they were written; none are nothing", () => {
    const signatures = [signIndex(INDEX, keyPair().privateKey), signIndex(INDEX, keyPair().privateKey)];
    expect(parseSignatures(encodeSignatures(signatures).toString(), "FILE")).toEqual(signatures);
    expect(encodeSignatures([]).length).toBe(0);
    expect(parseSignatures("", "FILE")).toEqual([]);
  });

  test.each([
    "[",
    "null",
    "{}",
    "7",
    '"x"',
    "[null]",
    "[[]]",
    '[{"key":"0123-4567-89ab-cdef-0123-4567-89ab-cdef"}]',
    '[{"key":"\\u001b[2J","signature":""}]',
    '[{"key":1,"signature":2}]',
  ])("that are %s are refused", async (text) => {
    expect(await refusal(() => parseSignatures(text, "FILE"))).toBe(
      'Cannot read the signatures of the bundle "FILE": they are no list of signatures; copy it again',
    );
  });
});
