import { X509Certificate } from "node:crypto";
import { parsePrivateKey, signingWeakness } from "./keys.ts";
import type { CertSpec, PkiParams } from "./list.ts";
import { nameTokens, namesDifference, namesOf, subjectLine, subjectOf, tokensOf } from "./names.ts";

const DAY = 86_400_000;
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

/** A certificate and its private key, as files hold them. */
export interface PairText {
  certPem: string | undefined;
  keyPem: string | undefined;
}

/** What a certificate and its key are. */
export interface Judgement {
  /** Undefined when there is no certificate, or what is there is none. */
  cert: X509Certificate | undefined;
  /** On one line. */
  subject: string | undefined;
  notAfter: Date | undefined;
  /** Whole days; negative once it has expired. */
  daysLeft: number | undefined;
  expired: boolean;
  issuerOk: boolean;
  subjectOk: boolean;
  namesOk: boolean;
  usageOk: boolean;
  keyMatches: boolean;
  /** Why the pair cannot be used, in words; empty when it is good. */
  reasons: string[];
}

/**
 * Judges a pair against what the list says it must be.
 *
 * @param options `authority`: certificate of the CA, or undefined when this node has none, which fails the pair
 */
export function inspectPair(
  pair: PairText,
  options: { spec: CertSpec; params: PkiParams; authority: X509Certificate | undefined; now: Date },
): Judgement {
  const cert = parseCertificate(pair.certPem);
  if (!cert)
    return unreadable(pair.certPem === undefined ? "the certificate is missing" : "not a PEM certificate");
  const { spec, params, authority, now } = options;
  const names = namesDifference(tokensOf(cert), nameTokens(namesOf(spec, params)));
  const reasons = {
    time: timeProblem(cert, now),
    issuer: issuerProblem(cert, authority),
    subject: subjectProblem(cert, subjectOf(spec, params)),
    names,
    usage: usageProblem(cert, spec),
    key: keyProblem(cert, pair.keyPem),
  };
  return {
    ...datesOf(cert, now),
    cert,
    subject: subjectLine(cert.subject),
    issuerOk: !reasons.issuer,
    subjectOk: !reasons.subject,
    namesOk: !reasons.names,
    usageOk: !reasons.usage,
    keyMatches: !reasons.key,
    reasons: Object.values(reasons).filter((one) => one !== undefined),
  };
}

/** Judges an authority that must never be replaced. @returns which file is wrong and why; undefined when both are good */
export function inspectAuthority(
  pair: PairText & { certPem: string },
  now: Date,
): { file: "crt" | "key"; found: string; expected: string } | undefined {
  const cert = parseCertificate(pair.certPem);
  const wrongCert = (found: string, expected: string) => ({ file: "crt", found, expected }) as const;
  if (!cert) return wrongCert("it is not a PEM certificate", "the certificate of an authority");
  if (!cert.ca) {
    const found = `"${subjectLine(cert.subject)}" is not an authority`;
    return wrongCert(found, "a certificate with CA:TRUE that may sign certificates");
  }
  const time = timeProblem(cert, now);
  if (time) return wrongCert(`it ${time}`, "an authority that is in force");
  if (pair.keyPem === undefined) return undefined;
  const key = parsePrivateKey(pair.keyPem);
  const problem = key ? signingWeakness(key) : "it is not a readable private key";
  if (problem)
    return { file: "key", found: problem, expected: "an RSA key of at least 2048 bits without a password" };
  if (keyProblem(cert, pair.keyPem) === undefined) return undefined;
  return {
    file: "key",
    found: "it does not belong to the certificate",
    expected: "the key that the certificate is for",
  };
}

/** Takes PEM; gives the first certificate in it, or undefined when there is none. */
export function parseCertificate(pem: string | undefined): X509Certificate | undefined {
  try {
    return pem === undefined ? undefined : new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

/** When a certificate ends, seen from a moment. */
export function datesOf(cert: X509Certificate, now: Date) {
  const notAfter = cert.validToDate;
  const left = notAfter.getTime() - now.getTime();
  return { notAfter, daysLeft: Math.floor(left / DAY), expired: left <= 0 };
}

function unreadable(reason: string): Judgement {
  const no = {
    issuerOk: false,
    subjectOk: false,
    namesOk: false,
    usageOk: false,
    keyMatches: false,
    expired: false,
  };
  return {
    ...no,
    cert: undefined,
    subject: undefined,
    notAfter: undefined,
    daysLeft: undefined,
    reasons: [reason],
  };
}

function timeProblem(cert: X509Certificate, now: Date): string | undefined {
  if (now >= cert.validToDate) return `expired on ${cert.validToDate.toISOString()}`;
  return now < cert.validFromDate ? `is not valid before ${cert.validFromDate.toISOString()}` : undefined;
}

function issuerProblem(cert: X509Certificate, authority: X509Certificate | undefined): string | undefined {
  if (!authority) return "its authority is missing";
  if (cert.checkIssued(authority) && cert.verify(authority.publicKey)) return undefined;
  return `issued by "${subjectLine(cert.issuer)}", not by the authority "${subjectLine(authority.subject)}" of this node`;
}

function subjectProblem(cert: X509Certificate, expected: string): string | undefined {
  const sorted = (text: string) => text.split("\n").sort().join("\n");
  if (sorted(cert.subject) === sorted(expected)) return undefined;
  return `the subject is "${subjectLine(cert.subject)}", expected "${subjectLine(expected)}"`;
}

function usageProblem(cert: X509Certificate, { usage }: CertSpec): string | undefined {
  const expected = [
    ...(usage === "client" ? [] : [SERVER_AUTH]),
    ...(usage === "server" ? [] : [CLIENT_AUTH]),
  ];
  const found = [...(cert.keyUsage ?? [])];
  const same = found.length === expected.length && expected.every((one) => found.includes(one));
  if (same && !cert.ca) return undefined;
  const what = { client: "a client", server: "a server", peer: "a server and client" }[usage];
  return cert.ca ? "it is an authority itself" : `it is not made for the use as ${what}`;
}

function keyProblem(cert: X509Certificate, keyPem: string | undefined): string | undefined {
  if (keyPem === undefined) return "the key is missing";
  const key = parsePrivateKey(keyPem);
  if (!key) return "the key is not a readable private key";
  return cert.checkPrivateKey(key) ? undefined : "the key does not belong to the certificate";
}
