import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from "node:crypto";
import { availableParallelism } from "node:os";
import { promisify } from "node:util";

const BITS = 2048;

/** A private key as it stands in a file. */
export interface KeyPair {
  /** PKCS#1. */
  privatePem: string;
  /** SubjectPublicKeyInfo. */
  publicPem: string;
}

/** Makes an RSA key pair on the thread pool, so that several at once use several cores. */
export async function generateKey(): Promise<KeyPair> {
  const { privateKey, publicKey } = await promisify(generateKeyPair)("rsa", {
    modulusLength: BITS,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
  });
  return { privatePem: privateKey, publicPem: publicKey };
}

/**
 * Makes one key pair for each id, on as many threads as there are cores. Never more at once than that: the same threads
 * read and write the files of what runs beside it.
 */
export async function generateKeys(ids: readonly string[]): Promise<Map<string, KeyPair>> {
  const left = [...ids];
  const pairs = new Map<string, KeyPair>();
  const work = async () => {
    for (let id = left.shift(); id !== undefined; id = left.shift()) pairs.set(id, await generateKey());
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return pairs;
}

/** Takes a private key in PEM; gives the pair, or undefined when it is no key that certificates can be made for. */
export function readKeyPair(privatePem: string): KeyPair | undefined {
  const key = parsePrivateKey(privatePem);
  if (!key || weakness(key) !== undefined) return undefined;
  return { privatePem, publicPem: createPublicKey(key).export({ type: "spki", format: "pem" }).toString() };
}

/** Takes PEM; gives the key, or undefined when it is no private key, or one behind a password. */
export function parsePrivateKey(pem: string): KeyObject | undefined {
  return attempt(() => createPrivateKey(pem));
}

/** Takes PEM; gives the key, or undefined when it is no public key. A private key is refused, not converted. */
export function parsePublicKey(pem: string): KeyObject | undefined {
  return pem.includes("PRIVATE") ? undefined : attempt(() => createPublicKey(pem));
}

/** Why a key must not be used, in words; undefined for RSA with at least 2048 bits. */
export function weakness(key: KeyObject): string | undefined {
  const { modulusLength } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType !== "rsa") return `it is a key of type ${key.asymmetricKeyType}`;
  return (modulusLength ?? 0) < BITS ? `it is an RSA key of ${modulusLength} bits` : undefined;
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
