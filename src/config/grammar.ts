import { z } from "zod";
import { formatCidr, overlaps, parseAddress, parseCidr } from "./net.ts";

/** Says what is wrong with a text, or undefined when nothing is. */
export type Check = (text: string) => string | undefined;

interface TextOptions {
  /** What the text must be, for the message when it is not even a text, and for the JSON schema. */
  expected: string;
  pattern?: RegExp;
  /** Never shows the value. */
  secret?: boolean;
}

/** A value as it is shown in a message: quoted, control characters escaped, shortened. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? "no value";
  return text.length > 120 ? `${text.slice(0, 117)}…` : text;
}

/** A text that passes `check`. */
export function text(check: Check, { expected, pattern, secret = false }: TextOptions) {
  const wrong = (input: unknown) => `${secret ? "value" : quote(input)} is not a text; expected ${expected}`;
  const schema = z.string({ error: (issue) => wrong(issue.input) }).superRefine((value, context) => {
    const message = check(value);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });
  return pattern ? schema.meta({ pattern: pattern.source }) : schema;
}

/** A text that matches the whole of `pattern`; `what` and `expected` go into the message. */
export function matching(pattern: RegExp, { what, expected }: { what: string; expected: string }) {
  return text(
    (value) => (pattern.test(value) ? undefined : `${quote(value)} is not ${what}; expected ${expected}`),
    {
      expected,
      pattern,
    },
  );
}

/** A whole number in a range. */
export function integer(min: number, max: number) {
  const error = (issue: { input?: unknown }) =>
    `${typeof issue.input === "number" ? issue.input : quote(issue.input)} is not accepted; ` +
    `expected a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

/** true or false. */
export function boolean() {
  return z.boolean({
    error: (issue) => `${quote(issue.input)} is not a boolean; expected true or false`,
  });
}

/** One word of a list. `later` are words that have a meaning which this version does not implement. */
export function oneOf<const T extends readonly [string, ...string[]]>(
  values: T,
  later: { what: string; values: readonly string[] } = { what: "", values: [] },
) {
  const expected = [values.slice(0, -1).join(", "), values.at(-1)].filter(Boolean).join(" or ");
  return z.enum(values, {
    error: ({ input }) =>
      later.values.includes(String(input))
        ? `${later.what} ${quote(input)} is not in this version; expected ${expected}`
        : `${quote(input)} is not accepted; expected ${expected}`,
  });
}

/** A list of texts. */
export function list<S extends z.ZodType>(item: S) {
  return z.array(item, {
    error: (issue) => `${quote(issue.input)} is not a list`,
  });
}

const DNS_LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
const DNS_SUBDOMAIN = new RegExp(`^${DNS_LABEL}(\\.${DNS_LABEL})*$`);

/** True for a lower-case DNS name of at most 253 characters. */
export function isDnsName(value: string): boolean {
  return value.length <= 253 && DNS_SUBDOMAIN.test(value);
}

/** A lower-case DNS name (RFC 1123 subdomain). */
export function dnsName(expected: string) {
  const check: Check = (value) =>
    isDnsName(value)
      ? undefined
      : `${quote(value)} is not a lower-case DNS name; expected for example ${expected}`;
  return text(check, {
    expected: `a DNS name, for example ${expected}`,
    pattern: DNS_SUBDOMAIN,
  });
}

const V4 = 4;

/** An IPv4 address that a host can have. */
export function hostAddress() {
  return text(checkHostAddress, {
    expected: "an IP address, for example 192.0.2.10",
  });
}

function checkHostAddress(value: string): string | undefined {
  const address = parseAddress(value);
  if (!address) return `${quote(value)} is not an IP address; expected for example 192.0.2.10`;
  if (address.family !== V4)
    return `${quote(value)} is an IPv6 address; IPv6 is not in this version, expected IPv4`;
  const first = Number(address.value >> 24n);
  if (first === 0 || first === 127 || first >= 224) {
    return `${quote(value)} is not the address of a host on a network; expected for example 192.0.2.10`;
  }
  return undefined;
}

/** An IPv4 address or a DNS name. */
export function hostOrAddress() {
  return text(
    (value) => {
      if (parseAddress(value)) return checkHostAddress(value);
      return isName(value) ? undefined : notHost(value);
    },
    { expected: "an IP address or a DNS name" },
  );
}

/** An address of either family or a DNS name, as it stands in a certificate. */
export function subjectName() {
  return text((value) => (parseAddress(value) || isName(value) ? undefined : notHost(value)), {
    expected: "an IP address or a DNS name",
  });
}

// A name that ends in digits only is a mistyped address, never a host (10.0.0.300).
const isName = (value: string) => isDnsName(value) && !/(^|\.)\d+$/.test(value);
const notHost = (value: string) =>
  `${quote(value)} is neither an IP address nor a lower-case DNS name; expected for example 192.0.2.10 or k8s.example.com`;

// This host, loopback, link-local, multicast and reserved.
const SPECIAL = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"].flatMap(
  (text) => parseCidr(text) ?? [],
);

/** An IPv4 block without host bits whose length is in the range. */
export function cidr({ example, min, max }: { example: string; min: number; max: number }) {
  return text(
    (value) => {
      const block = parseCidr(value);
      if (!block) return `${quote(value)} is not a CIDR; expected for example ${example}`;
      if (block.family !== V4)
        return `${quote(value)} is an IPv6 block; IPv6 is not in this version, expected IPv4`;
      if (value !== formatCidr(block))
        return `${quote(value)} has host bits set; expected ${formatCidr(block)}`;
      if (block.prefix < min || block.prefix > max) {
        return `${quote(value)} has a prefix of /${block.prefix}; expected /${min} to /${max}`;
      }
      const special = SPECIAL.find((range) => overlaps(range, block));
      if (special)
        return `${quote(value)} overlaps ${formatCidr(special)}, which is not for hosts; expected ${example}`;
      return undefined;
    },
    { expected: `a CIDR, for example ${example}` },
  );
}
