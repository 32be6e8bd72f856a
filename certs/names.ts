import type { X509Certificate } from "node:crypto";
import { formatAddress, parseAddress } from "../src/config/net.ts";
import type { CaSpec, CertSpec, PkiParams } from "./list.ts";

/** What a certificate is good for reaching. */
export interface SubjectNames {
  dns: readonly string[];
  ips: readonly string[];
}

/**
 * The names of a certificate: lower case, each once, addresses among them told apart and in their usual text.
 *
 * @throws RangeError when something given as an address is none
 */
export function namesOf(spec: CertSpec, params: PkiParams): { dns: string[]; ips: string[] } {
  const { dns, ips } = spec.names?.(params) ?? { dns: [], ips: [] };
  const all = dns.map((name) => ({ name: name.toLowerCase(), address: parseAddress(name) }));
  const addresses = [...all.flatMap(({ address }) => address ?? []), ...ips.map(mustParse)];
  return {
    dns: unique(all.filter(({ address }) => !address).map(({ name }) => name)),
    ips: unique(addresses.map(formatAddress)),
  };
}

/** One text for each name, so that sets of names can be compared: `DNS:localhost`, `IP:::1`. */
export function nameTokens({ dns, ips }: SubjectNames): string[] {
  return [...dns.map((name) => `DNS:${name.toLowerCase()}`), ...ips.map((ip) => `IP:${canonical(ip)}`)];
}

/** The names in a certificate, as {@linkcode nameTokens}. */
export function tokensOf(cert: X509Certificate): string[] {
  const text = cert.subjectAltName ?? "";
  if (text === "") return [];
  return text.split(", ").map((part) => {
    const [, kind, value] = /^(DNS|IP Address):(.*)$/.exec(part) ?? [];
    if (value === undefined) return part;
    return kind === "DNS" ? `DNS:${value.toLowerCase()}` : `IP:${canonical(value)}`;
  });
}

/** What is missing and what is too much in a set of names, in words; undefined when the sets are the same. */
export function namesDifference(found: readonly string[], expected: readonly string[]): string | undefined {
  const lacking = expected.filter((name) => !found.includes(name));
  const extra = found.filter((name) => !expected.includes(name));
  const words = [
    lacking.length > 0 && `the names lack ${lacking.join(", ")}`,
    extra.length > 0 && `the names have ${extra.map(printable).join(", ")}, which is not expected`,
  ].filter((one) => one !== false);
  return words.length === 0 ? undefined : words.join("; ");
}

/** The subject as `X509Certificate` shows it. */
export function subjectOf(spec: CaSpec | CertSpec, params: PkiParams): string {
  const { commonName, organization } = spec;
  const name = typeof commonName === "string" ? commonName : commonName(params);
  return `${organization ? `O=${organization}\n` : ""}CN=${name}`;
}

/** A subject on one line: `O=system:nodes, CN=system:node:a`. */
export function subjectLine(subject: string): string {
  return subject.split("\n").map(printable).join(", ");
}

/** Text from outside without what could break a line or a terminal, and not endless. */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 200);
}

/** Bytes of an address, as they stand in a certificate. */
export function addressBytes(ip: string): Buffer {
  const { family, value } = mustParse(ip);
  return Buffer.from(value.toString(16).padStart(family === 4 ? 8 : 32, "0"), "hex");
}

function canonical(ip: string): string {
  const address = parseAddress(ip);
  return address ? formatAddress(address) : ip;
}

function mustParse(ip: string) {
  const address = parseAddress(ip);
  if (!address) throw new RangeError(`${JSON.stringify(ip)} is not an address`);
  return address;
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list)];
}
