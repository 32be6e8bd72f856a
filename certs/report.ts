import type { Host } from "../src/host/host.ts";
import type { PkiOptions } from "./ensure.ts";
import { datesOf, inspectAuthority, parseCertificate } from "./inspect.ts";
import { type Leaf, readLeaves } from "./leaf.ts";
import { authoritiesOf, type CaSpec } from "./list.ts";
import { subjectLine, tokensOf } from "./names.ts";

/** Fewer days than this are too few to leave a certificate alone. */
const EXPIRING_DAYS = 30;

/** One line of `nodelet certs list`. What a missing or unreadable file cannot tell is undefined. */
export interface CertificateReport {
  name: string;
  path: string;
  subject: string | undefined;
  issuer: string | undefined;
  notBefore: Date | undefined;
  notAfter: Date | undefined;
  daysLeft: number | undefined;
  /** For example `DNS:localhost` and `IP:127.0.0.1`. */
  names: string[];
  status: "ok" | "expiring" | "expired" | "missing" | "invalid";
  /** Why the status is not "ok", in words. */
  reason?: string;
}

/** Lists the authorities and certificates that a node of this role must have, with their state. Changes nothing. */
export async function listCertificates(host: Host, options: PkiOptions): Promise<CertificateReport[]> {
  const now = options.now ?? new Date();
  const authorities = await Promise.all(
    authoritiesOf(options.role).map((spec) => readForReport(host, { dir: options.dir, spec, now })),
  );
  const leaves = await readLeaves(host, { ...options, now, authorities });
  return [
    ...authorities.map(({ spec, certPem, problem }) =>
      report({ spec, certPem, problem, now, dir: options.dir }),
    ),
    ...leaves.map((leaf) => report({ ...leaf, problem: problemOf(leaf), now, dir: options.dir })),
  ];
}

async function readForReport(host: Host, { dir, spec, now }: { dir: string; spec: CaSpec; now: Date }) {
  const base = `${dir}/${spec.path}`;
  const [certPem, keyPem] = await Promise.all([host.read(`${base}.crt`), host.read(`${base}.key`)]);
  const wrong = certPem === undefined ? undefined : inspectAuthority({ certPem, keyPem }, now);
  const problem = wrong && `${wrong.file === "key" ? "its key: " : ""}${wrong.found}`;
  return { spec, certPem, cert: parseCertificate(certPem), problem };
}

function problemOf({ judgement }: Leaf): string | undefined {
  return judgement.reasons.length > 0 ? judgement.reasons.join("; ") : undefined;
}

function report(options: {
  spec: { id: string; path: string };
  certPem: string | undefined;
  problem: string | undefined;
  now: Date;
  dir: string;
}): CertificateReport {
  const { spec, certPem, problem, now } = options;
  const cert = parseCertificate(certPem);
  const dates = cert && datesOf(cert, now);
  const about = {
    name: spec.id,
    path: `${options.dir}/${spec.path}.crt`,
    subject: cert && subjectLine(cert.subject),
    issuer: cert && subjectLine(cert.issuer),
    notBefore: cert?.validFromDate,
    notAfter: dates?.notAfter,
    daysLeft: dates?.daysLeft,
    names: cert ? tokensOf(cert) : [],
  };
  if (certPem === undefined) return { ...about, status: "missing", reason: "there is no such file" };
  if (dates?.expired) return { ...about, status: "expired", reason: problem ?? "expired" };
  if (problem) return { ...about, status: "invalid", reason: problem };
  if (dates && dates.daysLeft < EXPIRING_DAYS) {
    return { ...about, status: "expiring", reason: `ends within ${EXPIRING_DAYS} days` };
  }
  return { ...about, status: "ok" };
}
