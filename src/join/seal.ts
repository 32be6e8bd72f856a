import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { AppError } from "../errors.ts";

/** Something that only who has a secret can read. All fields are base64. */
export interface Sealed {
  salt: string;
  nonce: string;
  /** Ciphertext, and the tag behind it. */
  data: string;
}

const CIPHER = "aes-256-gcm";
const TAG_BYTES = 16;

/**
 * Wraps a text with a key that is derived from the secret of a token (HKDF-SHA256, AES-256-GCM). The channel is encrypted already; this
 * is for the day when one of its certificates is in the wrong hands.
 *
 * @param options `about`: who it is for; it cannot be opened as meant for somebody else
 */
export function seal(text: string, { secret, about }: { secret: string; about: string }): Sealed {
  const [salt, nonce] = [randomBytes(32), randomBytes(12)];
  const cipher = createCipheriv(CIPHER, keyFrom(secret, salt), nonce);
  cipher.setAAD(Buffer.from(about));
  const data = Buffer.concat([cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
  return {
    salt: salt.toString("base64"),
    nonce: nonce.toString("base64"),
    data: data.toString("base64"),
  };
}

/** Unwraps what {@linkcode seal} made. @throws AppError when it was made with another secret, for somebody else, or changed */
export function unseal(sealed: Sealed, { secret, about }: { secret: string; about: string }): string {
  const [salt, nonce, data] = [sealed.salt, sealed.nonce, sealed.data].map((text) =>
    Buffer.from(text, "base64"),
  );
  try {
    const decipher = createDecipheriv(CIPHER, keyFrom(secret, salt as Buffer), nonce as Buffer);
    decipher.setAAD(Buffer.from(about));
    const all = data as Buffer;
    decipher.setAuthTag(all.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(all.subarray(0, -TAG_BYTES)), decipher.final()]).toString("utf8");
  } catch {
    throw new AppError(
      "Cannot open the keys that the master sent: they were not sealed with this token for this node",
      {
        hint: "make a new token on a master: nodelet token create --role master",
      },
    );
  }
}

function keyFrom(secret: string, salt: Buffer): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, salt, "nodelet join: keys for a master", 32));
}
