import { createHash, randomBytes, timingSafeEqual, X509Certificate } from "node:crypto";
import { AppError } from "../errors.ts";

/**
 * A join token: `ID.SECRET.PIN`. The id tells tokens apart in lists and logs, the secret opens the door, and the pin is the digest of
 * the public key of the cluster's authority, so that a joiner believes nobody else.
 */
export interface Token {
  /** 6 letters and digits; no secret. */
  id: string;
  /** 160 random bits as 27 characters of base64url. */
  secret: string;
  /** sha256 of the authority's SubjectPublicKeyInfo as 43 characters of base64url (RFC 7469 pins keys so). */
  pin: string;
}

const GRAMMAR = /^([a-z0-9]{6})\.([A-Za-z0-9_-]{27})\.([A-Za-z0-9_-]{43})$/;
const SECRET_BYTES = 20;
const ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";

/** Makes a token for the cluster of this authority. @param ca its certificate in PEM */
export function makeToken(ca: string): Token {
  // 252 is the largest multiple of 36 that fits a byte: no letter is likelier than another.
  const fair = [...randomBytes(64)].filter((byte) => byte < 252).slice(0, 6);
  const id = fair.map((byte) => ID_LETTERS[byte % 36]).join("");
  return { id, secret: randomBytes(SECRET_BYTES).toString("base64url"), pin: pinOf(ca) };
}

/** The token as it is handed over. */
export function tokenText({ id, secret, pin }: Token): string {
  return `${id}.${secret}.${pin}`;
}

/**
 * Reads a token as it was handed over, blanks and line breaks around it aside.
 *
 * @throws AppError that says nothing of what was given but its length: it may be most of a secret
 */
export function parseToken(text: string): Token {
  const [, id, secret, pin] = GRAMMAR.exec(text.trim()) ?? [];
  if (id !== undefined && secret !== undefined && pin !== undefined) return { id, secret, pin };
  throw new AppError(
    `Cannot read the token: it has ${text.trim().length} characters; expected ID.SECRET.PIN with 6, 27 and 43 of them`,
    { hint: "copy the whole line that nodelet token create printed" },
  );
}

/** What a master keeps of a token's secret: it has enough random bits that a plain digest gives nothing away. */
export function hashOf(secret: string): string {
  return createHash("sha256").update(`nodelet join token\n${secret}`).digest("hex");
}

/** Compares a presented secret with a kept digest, in the same time wherever they differ. */
export function isSecretOf(hash: string, secret: string): boolean {
  const presented = Buffer.from(hashOf(secret), "hex");
  const kept = Buffer.from(hash, "hex");
  return kept.length === presented.length && timingSafeEqual(kept, presented);
}

/** The pin of an authority. @param ca its certificate in PEM @throws Error when it is none */
export function pinOf(ca: string): string {
  const spki = new X509Certificate(ca).publicKey.export({ type: "spki", format: "der" });
  return createHash("sha256").update(spki).digest("base64url");
}

/** True when the authority is the one that a token was made for. Never throws: what a stranger sends may be anything. */
export function isPinned(ca: string, pin: string): boolean {
  try {
    return pinOf(ca) === pin;
  } catch {
    return false;
  }
}
