import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { AppError } from "../errors.ts";
import { fingerprintOf, type TrustedKey } from "./trust.ts";

/** Said before the index, so that a signature of ours never stands for anything else. */
const CONTEXT = Buffer.from("nodelet bundle index\n");

/** Sixteen bytes in groups of four digits. */
const FINGERPRINT = /^[0-9a-f]{4}(?:-[0-9a-f]{4}){7}$/;

/** A signature over an index. */
export interface Signature {
  /** Fingerprint of the key. */
  key: string;
  /** ed25519, base64. */
  signature: string;
}

/** Signs an index. */
export function signIndex(index: Uint8Array, privateKey: KeyObject): Signature {
  const signature = sign(null, Buffer.concat([CONTEXT, index]), privateKey).toString("base64");
  return { key: fingerprintOf(createPublicKey(privateKey)), signature };
}

/** The first of the trusted keys that signed the index, or undefined. */
export function signerOf(
  index: Uint8Array,
  about: { signatures: readonly Signature[]; trusted: readonly TrustedKey[] },
): TrustedKey | undefined {
  const text = Buffer.concat([CONTEXT, index]);
  return about.trusted.find(({ fingerprint, key }) =>
    about.signatures.some((one) => one.key === fingerprint && verify(null, text, key, bytesOf(one))),
  );
}

/** Bytes of any number that are no signature are none: `verify` says so, and does not throw. */
function bytesOf({ signature }: Signature): Buffer {
  return Buffer.from(signature, "base64");
}

/** The signatures as they stand in a file; nothing for none. */
export function encodeSignatures(signatures: readonly Signature[]): Buffer {
  return Buffer.from(signatures.length > 0 ? JSON.stringify(signatures) : "");
}

/** Reads the signatures of a bundle file. @throws AppError when they are no list of signatures */
export function parseSignatures(text: string, from: string): Signature[] {
  const found = text === "" ? [] : jsonOf(text);
  if (Array.isArray(found) && found.every(isSignature))
    return found.map(({ key, signature }) => ({ key, signature }));
  throw new AppError(`Cannot read the signatures of the bundle "${from}": they are no list of signatures`, {
    hint: "copy it again",
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isSignature(value: unknown): value is Signature {
  const { key, signature } = (value ?? {}) as Record<string, unknown>;
  return typeof key === "string" && FINGERPRINT.test(key) && typeof signature === "string";
}
