import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { promisify } from "node:util";

const BITS = 2048;
const CURVES = ["prime256v1", "P-256", "secp384r1", "P-384"];

/** A private key as it stands in a file. */
export interface KeyPair {
  /** PKCS#1 for RSA, PKCS#8 for others. */
  privatePem: string;
  /** SubjectPublicKeyInfo. */
  publicPem: string;
}

/** RSA for what signs certificates and tokens, which forge must be able to read; P-256 for all that only shows itself. */
export type KeyType = "rsa" | "ec";

/**
 * Makes a key pair. RSA is made on the thread pool, so that several at once use several cores; P-256 takes no time, and
 * each TLS handshake with it costs a tenth.
 */
export async function generateKey(type: KeyType): Promise<KeyPair> {
  const publicKeyEncoding = { type: "spki", format: "pem" } as const;
  if (type === "ec") {
    const pair = generateKeyPairSync("ec", {
      namedCurve: "P-256",
      publicKeyEncoding,
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });
    return { privatePem: pair.privateKey, publicPem: pair.publicKey };
  }
  const { privateKey, publicKey } = await promisify(generateKeyPair)("rsa", {
    modulusLength: BITS,
    publicKeyEncoding,
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
  });
  return { privatePem: privateKey, publicPem: publicKey };
}

/** Makes one key pair for each id. */
export async function generateKeys(
  wanted: readonly { id: string; type: KeyType }[],
): Promise<Map<string, KeyPair>> {
  return new Map(
    await Promise.all(wanted.map(async ({ id, type }) => [id, await generateKey(type)] as const)),
  );
}

/** Takes a private key in PEM; gives the pair, or undefined when it is no key that certificates can be made for. */
export function readKeyPair(privatePem: string): KeyPair | undefined {
  const key = parsePrivateKey(privatePem);
  if (!key || weakness(key) !== undefined) return undefined;
  return { privatePem, publicPem: createPublicKey(key).export({ type: "spki", format: "pem" }).toString() };
}

/** As `readKeyPair`, for a key that signs certificates or tokens. */
export function readSigningPair(privatePem: string): KeyPair | undefined {
  const key = parsePrivateKey(privatePem);
  return key && signingWeakness(key) === undefined ? readKeyPair(privatePem) : undefined;
}

/** Takes PEM; gives the key, or undefined when it is no private key, or one behind a password. */
export function parsePrivateKey(pem: string): KeyObject | undefined {
  return attempt(() => createPrivateKey(pem));
}

/** Takes PEM; gives the key, or undefined when it is no public key. A private key is refused, not converted. */
export function parsePublicKey(pem: string): KeyObject | undefined {
  return pem.includes("PRIVATE") ? undefined : attempt(() => createPublicKey(pem));
}

/** Why a key must not be used, in words; undefined for RSA with at least 2048 bits, P-256 and P-384. */
export function weakness(key: KeyObject): string | undefined {
  const { modulusLength, namedCurve = "" } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === "ec") {
    return CURVES.includes(namedCurve) ? undefined : `it is a key on the curve ${namedCurve}`;
  }
  if (key.asymmetricKeyType !== "rsa") return `it is a key of type ${key.asymmetricKeyType}`;
  return (modulusLength ?? 0) < BITS ? `it is an RSA key of ${modulusLength} bits` : undefined;
}

/** Why a key must not sign certificates or tokens; undefined for RSA with at least 2048 bits. */
export function signingWeakness(key: KeyObject): string | undefined {
  return key.asymmetricKeyType === "ec" ? "it is a key of type ec" : weakness(key);
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
