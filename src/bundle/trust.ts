import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { AppError } from "../errors.ts";

declare const BUILD_TRUSTED_KEYS: readonly string[] | undefined;

/** A key that may vouch for a bundle. */
export interface TrustedKey {
  fingerprint: string;
  key: KeyObject;
}

/** The keys that were compiled into this program; none when it runs from source. */
export function builtInKeys(): TrustedKey[] {
  const texts = typeof BUILD_TRUSTED_KEYS === "undefined" ? [] : BUILD_TRUSTED_KEYS;
  return texts.map((text) => readPublicKey(text, "the program"));
}

/**
 * Reads a public ed25519 key, PEM or the one line `ed25519:BASE64`.
 *
 * @param from where it stands, for messages
 * @throws AppError when it is no such key
 */
export function readPublicKey(text: string, from: string): TrustedKey {
  const line = /^ed25519:([A-Za-z0-9+/]{43}=)$/.exec(text.trim())?.[1];
  try {
    const key = line
      ? createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: base64url(line) }, format: "jwk" })
      : createPublicKey(text);
    if (key.asymmetricKeyType === "ed25519") return { fingerprint: fingerprintOf(key), key };
  } catch {
    // Told below.
  }
  throw new AppError(`Cannot use the key in ${from}: it is no public ed25519 key`, {
    hint: 'expected the file NAME.pub that "nodelet bundle keygen" wrote',
  });
}

/** Reads a private ed25519 key, PEM. @throws AppError when it is no such key */
export function readPrivateKey(text: string, from: string): KeyObject {
  try {
    const key = createPrivateKey(text);
    if (key.asymmetricKeyType === "ed25519") return key;
  } catch {
    // Told below.
  }
  throw new AppError(`Cannot sign with the key in ${from}: it is no private ed25519 key`, {
    hint: "make one: nodelet bundle keygen NAME",
  });
}

/** A new pair: the private key as PEM, the public one as a line `ed25519:BASE64`. */
export function newKeyPair(): { privateKey: string; publicKey: string; fingerprint: string } {
  const pair = generateKeyPairSync("ed25519");
  return {
    privateKey: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    publicKey: keyLine(pair.publicKey),
    fingerprint: fingerprintOf(pair.publicKey),
  };
}

/** The line `ed25519:BASE64` of a key. */
export function keyLine(key: KeyObject): string {
  return `ed25519:${rawKey(key).toString("base64")}`;
}

/** Digest of a public key in groups of four, to be compared by eye or by telephone. */
export function fingerprintOf(key: KeyObject): string {
  const digest = createHash("sha256").update(rawKey(key)).digest("hex").slice(0, 32);
  return digest.replace(/(.{4})(?=.)/g, "$1-");
}

function rawKey(key: KeyObject): Buffer {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  return Buffer.from(String(publicKey.export({ format: "jwk" }).x), "base64url");
}

function base64url(text: string): string {
  return Buffer.from(text, "base64").toString("base64url");
}
