import type { Host } from "../src/host/host.ts";
import { readAuthorities } from "./authority.ts";
import type { PkiOptions } from "./ensure.ts";
import { type Leaf, readLeaves } from "./leaf.ts";
import { parseCertificate } from "./inspect.ts";

/** A certificate of a year is renewed in its last quarter: time enough for masters that are away for a while. */
const RENEW_DAYS = 90;
const DAY = 86_400_000;

/**
 * True for a certificate that every node has, and that ends soon. Those of the control plane alone are left to the operator: renewing
 * them starts it anew.
 */
export function isDue(
  { spec, certPem, judgement }: Leaf,
  authority: { certPem: string | undefined } | undefined,
): boolean {
  const { daysLeft, reasons } = judgement;
  if (!spec.roles.includes("worker") || daysLeft === undefined || reasons.length > 0) return false;
  // Nothing that is signed lasts longer than who signs it: to sign again would win nothing.
  const end = parseCertificate(authority?.certPem)?.validToDate.getTime() ?? 0;
  const ownEnd = parseCertificate(certPem)?.validToDate.getTime() ?? 0;
  return daysLeft < RENEW_DAYS && ownEnd < end - DAY;
}

/** Ids of certificates of this node that ought to be renewed now. @throws AppError when an authority is not usable */
export async function dueCertificates(host: Host, options: PkiOptions): Promise<string[]> {
  const now = options.now ?? new Date();
  const authorities = await readAuthorities(host, { ...options, now });
  const leaves = await readLeaves(host, { ...options, now, authorities });
  return leaves
    .filter((leaf) =>
      isDue(
        leaf,
        authorities.find(({ spec }) => spec.id === leaf.spec.ca),
      ),
    )
    .map(({ spec }) => spec.id);
}
