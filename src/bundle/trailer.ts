import { createHash } from "node:crypto";

/** Bytes of a trailer. */
export const TRAILER_SIZE = 128;

/** The last bytes of every bundle file. */
const MAGIC = Buffer.from("nodelet-bundle/\n");
const DIGEST_AT = 80;

/** The end of a bundle file: where its parts are. All positions are bytes from the start of the file. */
export interface Trailer {
  format: number;
  /** Where the payload begins; the bytes before it are the program. */
  payloadOffset: number;
  indexOffset: number;
  indexSize: number;
  /** Bytes of the signatures, which follow the index. */
  signaturesSize: number;
  /** Lower-case hex digest of the index. */
  indexSha256: string;
}

/** What the last bytes of a file are. */
export type TrailerFound =
  | { kind: "trailer"; trailer: Trailer }
  /** It is one, and its digest says that it was changed. */
  | { kind: "damaged" }
  /** It is one, but not at the end: so many bytes follow it. */
  | { kind: "buried"; after: number }
  | { kind: "none" };

/** The bytes of a trailer: little-endian numbers, the index' digest, a digest of all that, and the magic. */
export function encodeTrailer(trailer: Trailer): Buffer {
  const bytes = Buffer.alloc(TRAILER_SIZE);
  bytes.writeUInt32LE(trailer.format, 0);
  bytes.writeUInt32LE(TRAILER_SIZE, 4);
  bytes.writeBigUInt64LE(BigInt(trailer.payloadOffset), 8);
  bytes.writeBigUInt64LE(BigInt(trailer.indexOffset), 16);
  bytes.writeBigUInt64LE(BigInt(trailer.indexSize), 24);
  bytes.writeBigUInt64LE(BigInt(trailer.signaturesSize), 32);
  bytes.write(trailer.indexSha256, 40, "hex");
  digestOf(bytes).copy(bytes, DIGEST_AT);
  MAGIC.copy(bytes, TRAILER_SIZE - MAGIC.length);
  return bytes;
}

/**
 * Looks for a trailer in the last bytes of a file.
 *
 * @param tail at least {@linkcode TRAILER_SIZE} bytes where the file has them; more, to find one that something follows
 */
export function findTrailer(tail: Buffer): TrailerFound {
  const at = tail.lastIndexOf(MAGIC);
  const end = at + MAGIC.length;
  const after = tail.length - end;
  if (at < 0) return { kind: "none" };
  const found =
    end < TRAILER_SIZE ? { kind: "damaged" as const } : decode(tail.subarray(end - TRAILER_SIZE, end));
  if (after === 0) return found;
  // These bytes stand in this program too, among its texts.
  return found.kind === "trailer" ? { kind: "buried", after } : { kind: "none" };
}

function decode(bytes: Buffer): TrailerFound {
  if (!digestOf(bytes).equals(bytes.subarray(DIGEST_AT, DIGEST_AT + 32))) return { kind: "damaged" };
  const number = (at: number) => Number(bytes.readBigUInt64LE(at));
  const trailer: Trailer = {
    format: bytes.readUInt32LE(0),
    payloadOffset: number(8),
    indexOffset: number(16),
    indexSize: number(24),
    signaturesSize: number(32),
    indexSha256: bytes.toString("hex", 40, 72),
  };
  return { kind: "trailer", trailer };
}

function digestOf(bytes: Buffer): Buffer {
  return createHash("sha256").update(bytes.subarray(0, DIGEST_AT)).digest();
}
