import { AppError } from "../errors.ts";
import { type OpenFile, readRange } from "./chunks.ts";

const BLOCK = 512;

/** Bytes of a member that extends the header of the next one: names and numbers. */
const LARGEST_EXTENSION = 2 ** 20;

/** A file in a tar archive. */
export interface TarMember {
  name: string;
  /** Where its content begins, in bytes from the start of the archive. */
  offset: number;
  size: number;
  /** For a link, the name of the member that has the content. */
  link?: string;
}

/**
 * The header of a regular file with mode 0644, owned by root, of 1970: the same content gives the same archive.
 *
 * @param name at most 100 bytes
 * @see POSIX.1-1988, ustar interchange format
 */
export function tarHeader(name: string, size: number): Uint8Array {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, "0")}\0`;
  header.write(name, 0, 100);
  header.write(octal(0o644, 8), 100);
  header.write(octal(0, 8), 108);
  header.write(octal(0, 8), 116);
  // More than 8 GiB do not fit into octal digits: then the number stands there as it is, marked by its first bit.
  if (size < 8 ** 11) header.write(octal(size, 12), 124);
  else {
    header.writeBigUInt64BE(BigInt(size), 128);
    header[124] = 0x80;
  }
  header.write(octal(0, 12), 136);
  header.write("        ", 148);
  header.write("0", 156);
  header.write("ustar\0" + "00", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

/** The zeros that fill a member up to whole blocks. */
export function tarPadding(size: number): Uint8Array {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
}

/** Bytes of a member with this much content: header, content and padding. */
export function memberSize(size: number): number {
  return BLOCK + size + tarPadding(size).length;
}

/** The end of an archive. */
export const TAR_END = new Uint8Array(2 * BLOCK);

/**
 * Lists the files and links of a tar archive, in the forms that `docker save` and GNU tar write.
 *
 * @throws AppError when it is no tar archive, or cut off
 */
export async function listTar(file: OpenFile): Promise<TarMember[]> {
  const { size: end } = await file.handle.stat();
  const members: TarMember[] = [];
  // What members before it say of the next one, because it does not fit into its header.
  let said: { name?: string; size?: number; link?: string } = {};
  for (let at = 0; at + BLOCK <= end;) {
    const header = await readRange(file, { at, size: BLOCK });
    if (header.every((byte) => byte === 0)) break;
    const type = String.fromCharCode(header[156] ?? 0);
    const size = ("xL".includes(type) ? undefined : said.size) ?? numberIn(header.subarray(124, 136));
    const offset = at + BLOCK;
    if (!isHeader(header) || !(offset + size <= end)) throw notTar(file.path, at);
    if (type === "L" || type === "x") {
      if (size > LARGEST_EXTENSION) throw notTar(file.path, at);
      const bytes = await readRange(file, { at: offset, size });
      said = type === "L" ? { ...said, name: text(bytes) } : { ...said, ...paxOf(bytes) };
    } else {
      const name = (said.name ?? nameIn(header)).replace(/^\.\//, "");
      if (type === "0" || type === "\0") members.push({ name, offset, size });
      if (type === "1" || type === "2")
        members.push({ name, offset, size: 0, link: said.link ?? text(header.subarray(157, 257)) });
      said = {};
    }
    at += memberSize(size);
  }
  return members;
}

function nameIn(header: Buffer): string {
  const prefix = text(header.subarray(257, 262)) === "ustar" ? text(header.subarray(345, 500)) : "";
  // GNU tar uses the field of the prefix for other things.
  const isPosix = header[262] === 0;
  const name = text(header.subarray(0, 100));
  return prefix && isPosix ? `${prefix}/${name}` : name;
}

function text(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString("utf8", 0, end < 0 ? bytes.length : end);
}

function numberIn(field: Buffer): number {
  if ((field[0] ?? 0) & 0x80) return Number(field.readBigUInt64BE(field.length - 8));
  return Number.parseInt(text(field).trim() || "0", 8);
}

function isHeader(header: Buffer): boolean {
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  return sum === Number.parseInt(text(header.subarray(148, 156)).trim(), 8);
}

function paxOf(bytes: Buffer): { name?: string; size?: number; link?: string } {
  const record = (key: string) => new RegExp(`^\\d+ ${key}=(.*)$`, "m").exec(bytes.toString())?.[1];
  const [name, size, link] = [record("path"), record("size"), record("linkpath")];
  return { ...(name && { name }), ...(size && { size: Number(size) }), ...(link && { link }) };
}

function notTar(path: string, at: number): AppError {
  return new AppError(`Cannot read the image archive "${path}": there is no whole tar member at byte ${at}`, {
    hint: "save the image again",
  });
}
