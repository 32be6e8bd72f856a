import { AppError } from "../src/errors.ts";
import type { Host } from "../src/host/host.ts";
import { type Authority, readAuthorities } from "./authority.ts";
import { createCsr, isSameRequest } from "./csr.ts";
import type { PkiOptions } from "./ensure.ts";
import { generateKeys, type KeyPair, readKeyPair } from "./keys.ts";
import { type Leaf, readLeaves } from "./leaf.ts";

/** A signing request that was written on this node. */
export interface WrittenCsr {
  id: string;
  path: string;
  pem: string;
}

/** A worker never makes an authority. @throws AppError when it has to be given one */
export function refuseWithoutAuthority(authorities: readonly Authority[], { dir, role }: PkiOptions): void {
  const missing = authorities.find((one) => one.certPem === undefined);
  if (role === "master" || !missing) return;
  throw new AppError(
    `Cannot issue the certificates of this worker: "${dir}/${missing.spec.path}.crt" is missing; ` +
      "expected the authority of the cluster, which a master gives to a node that joins",
    { hint: "join the node to its cluster again" },
  );
}

/** @throws AppError naming the certificates that must be issued and whose authority has no key on this node */
export function refuseUnsignable(
  leaves: readonly Leaf[],
  options: PkiOptions & { authorities: readonly Authority[] },
): void {
  const external = new Set(options.authorities.filter(isExternal).map((one) => one.spec.id));
  const bad = leaves.filter((leaf) => external.has(leaf.spec.ca));
  if (bad.length === 0) return;
  const list = bad.map(
    ({ spec, judgement }) => `${spec.id}.crt (${judgement.reasons.join(", ") || "to be renewed"})`,
  );
  const keys = [...new Set(bad.map(({ spec }) => `"${options.dir}/${spec.ca}.key"`))];
  throw new AppError(
    `Cannot issue certificates in "${options.dir}": ${keys.join(" and ")} ${keys.length === 1 ? "is" : "are"} not on this node; ` +
      `expected good certificates signed elsewhere, found: ${list.join("; ")}`,
    {
      hint: `write their requests with "nodelet certs csr", have them signed by the holder of that key, and put each certificate beside its request`,
    },
  );
}

/**
 * Writes a signing request, `NAME.csr`, for each certificate that is not good and that this node has no authority's
 * key for. The keys are made here, or taken when they are here already, and stay here.
 *
 * @returns the requests, in the order of the list
 * @throws AppError when an authority is there and not usable
 */
export async function writeCsrs(host: Host, options: PkiOptions): Promise<WrittenCsr[]> {
  const { dir, params } = options;
  const now = options.now ?? new Date();
  const authorities = await readAuthorities(host, { ...options, now });
  const leaves = await readLeaves(host, { ...options, now, authorities });
  const signable = new Set(authorities.filter((one) => one.certPem && one.keyPem).map((one) => one.spec.id));
  const wanted = leaves.filter((leaf) => leaf.judgement.reasons.length > 0 && !signable.has(leaf.spec.ca));
  const keys = await keysFor(wanted);
  const requests = await Promise.all(
    wanted.map(async ({ spec }) => {
      const key = keys.get(spec.id) as KeyPair;
      const path = `${dir}/${spec.path}.csr`;
      const made = await createCsr(spec, { key, params });
      const before = await host.read(path);
      // One that is under way elsewhere stays as it is.
      const pem = before !== undefined && (await isSameRequest(before, made)) ? before : made;
      return { id: spec.id, path, key, pem };
    }),
  );
  await host.ensure({ kind: "dir", path: dir, mode: 0o700 });
  if (requests.some(({ id }) => id.startsWith("etcd/"))) {
    await host.ensure({ kind: "dir", path: `${dir}/etcd`, mode: 0o700 });
  }
  for (const { path, key, pem } of requests) {
    const keyPath = path.replace(/\.csr$/, ".key");
    await host.ensure({ kind: "file", path: keyPath, content: key.privatePem, mode: 0o600, secret: true });
    await host.ensure({ kind: "file", path, content: pem, mode: 0o644 });
  }
  return requests.map(({ id, path, pem }) => ({ id, path, pem }));
}

/** A key that is here is used again, so that a request which is under way elsewhere stays good. */
async function keysFor(leaves: readonly Leaf[]): Promise<Map<string, KeyPair>> {
  const here = leaves.map(({ spec, keyPem }) => ({
    id: spec.id,
    pair: keyPem === undefined ? undefined : readKeyPair(keyPem),
  }));
  const made = await generateKeys(here.filter(({ pair }) => !pair).map(({ id }) => ({ id, type: "ec" })));
  return new Map([...made, ...here.flatMap(({ id, pair }) => (pair ? [[id, pair] as const] : []))]);
}

function isExternal({ certPem, keyPem }: Authority): boolean {
  return certPem !== undefined && keyPem === undefined;
}
