/** An IP address as a number. */
export interface Address {
  family: 4 | 6;
  value: bigint;
}

/** A block of addresses; `base` has no host bits. */
export interface Cidr {
  family: 4 | 6;
  base: bigint;
  prefix: number;
}

const WIDTH = { 4: 32, 6: 128 } as const;

/** Takes `10.0.0.1` or `fd00::1`, without zone or brackets; gives the address, or undefined when it is none. */
export function parseAddress(text: string): Address | undefined {
  const value = text.includes(":") ? parseV6(text) : parseV4(text);
  return value === undefined ? undefined : { family: text.includes(":") ? 6 : 4, value };
}

/** The usual text of an address; IPv6 in its short form (RFC 5952). */
export function formatAddress({ family, value }: Address): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join(".");
  const groups = Array.from({ length: 8 }, (_, i) =>
    ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16),
  );
  const run = longestZeroRun(groups);
  if (run.length < 2) return groups.join(":");
  return `${groups.slice(0, run.start).join(":")}::${groups.slice(run.start + run.length).join(":")}`;
}

/** Takes `10.20.0.0/16`; gives the block with host bits cleared, or undefined when it is none. */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const address = parseAddress(match?.[1] ?? "");
  const prefix = Number(match?.[2]);
  if (!address || prefix > WIDTH[address.family]) return undefined;
  return {
    family: address.family,
    base: clearHostBits(address, prefix),
    prefix,
  };
}

/** The usual text of a block. */
export function formatCidr({ family, base, prefix }: Cidr): string {
  return `${formatAddress({ family, value: base })}/${prefix}`;
}

/** True when every address of `inner`, a block or one address, is in `outer`. */
export function contains(outer: Cidr, inner: Cidr | Address): boolean {
  const block = "base" in inner ? inner : single(inner);
  if (outer.family !== block.family || block.prefix < outer.prefix) return false;
  return clearHostBits({ family: block.family, value: block.base }, outer.prefix) === outer.base;
}

/** True when the two blocks have an address in common. */
export function overlaps(a: Cidr, b: Cidr): boolean {
  return contains(a, b) || contains(b, a);
}

/**
 * The address `n` places after the first of a block: 0 is the network address, 1 the first host.
 *
 * @throws RangeError when the text is no block or the block has no such address.
 */
export function nthAddress(cidr: string, n: number): string {
  const block = mustParse(cidr);
  const value = block.base + BigInt(n);
  if (n < 0 || !contains(block, { family: block.family, value })) {
    throw new RangeError(`${cidr} has no address number ${n}`);
  }
  return formatAddress({ family: block.family, value });
}

/**
 * The first block of length `prefix` in a block, for example `10.20.0.0/24` of `10.20.0.0/16`.
 *
 * @throws RangeError when the text is no block or `prefix` does not fit into it.
 */
export function firstSubnet(cidr: string, prefix: number): string {
  const block = mustParse(cidr);
  if (prefix < block.prefix || prefix > WIDTH[block.family]) {
    throw new RangeError(`${cidr} has no block of length /${prefix}`);
  }
  return formatCidr({ ...block, prefix });
}

/** Every block of length `prefix` in a block, lowest first. @throws as {@linkcode firstSubnet} does */
export function* subnets(cidr: string, prefix: number): Generator<Cidr> {
  const outer = mustParse(cidr);
  const first = mustParse(firstSubnet(cidr, prefix));
  const step = 1n << BigInt(WIDTH[outer.family] - prefix);
  for (let next = first; contains(outer, next); next = { ...next, base: next.base + step }) yield next;
}

function mustParse(cidr: string): Cidr {
  const block = parseCidr(cidr);
  if (!block) throw new RangeError(`${JSON.stringify(cidr)} is not a CIDR`);
  return block;
}

function single({ family, value }: Address): Cidr {
  return { family, base: value, prefix: WIDTH[family] };
}

function clearHostBits({ family, value }: Address, prefix: number): bigint {
  const bits = BigInt(WIDTH[family] - prefix);
  return (value >> bits) << bits;
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split(".");
  // Leading zeros are refused: some readers take them as octal, so that one text would name two hosts.
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) {
    return undefined;
  }
  return parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function parseV6(text: string): bigint | undefined {
  const halves = withHexTail(text).split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => (half === "" ? [] : half.split(":")));
  const given = [...(head ?? []), ...(tail ?? [])];
  if (!given.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  const missing = 8 - given.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...(head ?? []), ...Array<string>(missing).fill("0"), ...(tail ?? [])];
  return groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n);
}

/** Rewrites the dotted end of `::ffff:10.0.0.1` as two groups. */
function withHexTail(text: string): string {
  const at = text.lastIndexOf(":") + 1;
  const v4 = parseV4(text.slice(at));
  if (v4 === undefined) return text;
  return `${text.slice(0, at)}${(v4 >> 16n).toString(16)}:${(v4 & 0xffffn).toString(16)}`;
}

function longestZeroRun(groups: readonly string[]): {
  start: number;
  length: number;
} {
  let best = { start: 0, length: 0 };
  let length = 0;
  for (const [index, group] of groups.entries()) {
    length = group === "0" ? length + 1 : 0;
    if (length > best.length) best = { start: index - length + 1, length };
  }
  return best;
}
