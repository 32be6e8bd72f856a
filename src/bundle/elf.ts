/** Bytes of the header of a 64-bit ELF file. */
export const ELF_HEADER_SIZE = 64;

/**
 * Where the program of an executable file ends: its section headers are the last part, as Bun writes it. What follows is a
 * payload, or what is left of one.
 *
 * @param header the first {@linkcode ELF_HEADER_SIZE} bytes of the file
 * @returns bytes from the start of the file; undefined when it is no 64-bit little-endian ELF file
 */
export function programEnd(header: Buffer): number | undefined {
  const isElf64 = header.length >= ELF_HEADER_SIZE && header.readUInt32BE(0) === 0x7f454c46;
  if (!isElf64 || header[4] !== 2 || header[5] !== 1) return undefined;
  const sections = Number(header.readBigUInt64LE(40));
  return sections + header.readUInt16LE(58) * header.readUInt16LE(60);
}
