import type { Host, Outcome } from "../src/host/host.ts";
import { ensureAll } from "../src/host/host.ts";
import { type Authority, readAuthorities, readServiceAccount, type ServiceAccount } from "./authority.ts";
import { refuseUnsignable, refuseWithoutAuthority } from "./external.ts";
import { type CaPair, issueCa, issueLeaf } from "./issue.ts";
import { generateKeys, type KeyPair, readSigningPair } from "./keys.ts";
import { type Leaf, readLeaves } from "./leaf.ts";
import { isDue } from "./renewal.ts";
import {
  authoritiesOf,
  certificatesOf,
  type CertSpec,
  type PkiParams,
  type PkiRole,
  SERVICE_ACCOUNT,
} from "./list.ts";

/** Where the PKI of a node is and what it is for. */
export interface PkiOptions {
  /** For example `/etc/pf9/kube.d/certs`. */
  dir: string;
  role: PkiRole;
  params: PkiParams;
  /** @default {new Date()} */
  now?: Date;
}

/** What was done to the PKI of a node; ids of authorities and certificates, and `sa`. */
export interface PkiResult {
  outcome: Outcome;
  issued: string[];
  kept: string[];
}

/** Everything that has to be signed with what is there. */
interface Found {
  authorities: Authority[];
  account: ServiceAccount | undefined;
  leaves: Leaf[];
}

interface NewFile {
  path: string;
  content: string;
  secret: boolean;
}

/**
 * Looks whether the PKI of a node can be brought to what the list says, and changes nothing.
 *
 * @throws AppError as ensurePki does
 */
export async function checkPki(host: Host, options: PkiOptions): Promise<void> {
  await judgePki(host, { ...options, now: options.now ?? new Date() });
}

async function judgePki(host: Host, options: PkiOptions & { now: Date; regenerate?: boolean }) {
  const found = await readPki(host, options);
  const bad = found.leaves.filter(
    (leaf) => options.regenerate || leaf.judgement.reasons.length > 0 || canRenew(leaf, found.authorities),
  );
  refuseWithoutAuthority(found.authorities, options);
  refuseUnsignable(bad, { ...options, authorities: found.authorities });
  return { found, bad };
}

/** One that is due is only renewed where that is possible; elsewhere it goes on while it lasts. */
function canRenew(leaf: Leaf, authorities: readonly Authority[]): boolean {
  const authority = authorities.find(({ spec }) => spec.id === leaf.spec.ca);
  return authority?.keyPem !== undefined && isDue(leaf, authority);
}

/**
 * Brings the PKI of a node to what the list says. What is good is kept; a certificate that is not is issued anew with
 * a new key; an authority that exists is never replaced. All keys are made, and everything is signed, before the first
 * write, and each key is written before its certificate: after a kill at any moment the next run ends at the same place.
 *
 * @param options `regenerate`: issue all certificates anew; the authorities stay
 * @throws AppError when an authority is there and not usable, or when something has to be issued that this node has no
 * authority for
 */
export async function ensurePki(
  host: Host,
  options: PkiOptions & { regenerate?: boolean },
): Promise<PkiResult> {
  const now = options.now ?? new Date();
  const { found, bad } = await judgePki(host, { ...options, now });
  const { files, issued } = await renew({ ...found, leaves: bad }, { ...options, now });
  const outcome = await ensureAll(host, [
    ...directories(options).map((path) => ({ kind: "dir", path, mode: 0o700 }) as const),
    ...[...keptKeys(found, issued), ...files].map(
      ({ path, content, secret }) =>
        ({
          kind: "file",
          path: `${options.dir}/${path}`,
          content,
          mode: secret ? 0o600 : 0o644,
          secret,
        }) as const,
    ),
  ]);
  return { outcome, issued, kept: allIds(options.role).filter((id) => !issued.includes(id)) };
}

async function readPki(host: Host, options: PkiOptions & { now: Date }): Promise<Found> {
  const authorities = await readAuthorities(host, options);
  const account = options.role === "master" ? await readServiceAccount(host, options) : undefined;
  return { authorities, account, leaves: await readLeaves(host, { ...options, authorities }) };
}

/** Makes all keys at once, then signs. @returns the files in the order in which they have to be written */
async function renew(found: Found, options: PkiOptions & { now: Date }) {
  const created = found.authorities.filter((one) => one.certPem === undefined);
  const account = found.account && isIncomplete(found.account) ? found.account : undefined;
  const keys = await generateKeys([
    ...created
      .filter((one) => one.keyPem === undefined)
      .map((one) => ({ id: one.spec.id, type: "rsa" }) as const),
    ...(account && account.privatePem === undefined ? [{ id: SERVICE_ACCOUNT, type: "rsa" } as const] : []),
    ...found.leaves.map((leaf) => ({ id: leaf.spec.id, type: "ec" }) as const),
  ]);
  const roots = await makeAuthorities(created, { keys, now: options.now });
  const signers = new Map([...signersOf(found.authorities), ...roots.signers]);
  const leaves = await Promise.all(
    found.leaves.map(({ spec }) => makeLeaf(spec, { ...options, keys, signers })),
  );
  return {
    files: [...roots.files, ...(account ? accountFiles(account, keys) : []), ...leaves.flat()],
    issued: [
      ...created.map((one) => one.spec.id),
      ...(account ? [SERVICE_ACCOUNT] : []),
      ...found.leaves.map((leaf) => leaf.spec.id),
    ],
  };
}

type Keys = ReadonlyMap<string, KeyPair>;

async function makeAuthorities(authorities: readonly Authority[], { keys, now }: { keys: Keys; now: Date }) {
  const files: NewFile[] = [];
  const signers = new Map<string, CaPair>();
  for (const { spec, keyPem } of authorities) {
    const key = must(keyPem === undefined ? keys.get(spec.id) : readSigningPair(keyPem));
    const certPem = await issueCa(spec, { key, now });
    signers.set(spec.id, { certPem, keyPem: key.privatePem });
    files.push(...pairFiles(spec.path, { key, certPem }));
  }
  return { files, signers };
}

async function makeLeaf(
  spec: CertSpec,
  options: { keys: Keys; signers: ReadonlyMap<string, CaPair>; params: PkiParams; now: Date },
): Promise<NewFile[]> {
  const key = must(options.keys.get(spec.id));
  const ca = must(options.signers.get(spec.ca));
  const { params, now } = options;
  const certPem = await issueLeaf(spec, { ca, publicPem: key.publicPem, params, now });
  return pairFiles(spec.path, { key, certPem });
}

function signersOf(authorities: readonly Authority[]): [string, CaPair][] {
  return authorities.flatMap(({ spec, certPem, keyPem }) =>
    certPem === undefined || keyPem === undefined ? [] : [[spec.id, { certPem, keyPem }]],
  );
}

function isIncomplete({ privatePem, publicPem }: ServiceAccount): boolean {
  return privatePem === undefined || publicPem === undefined;
}

function pairFiles(path: string, { key, certPem }: { key: KeyPair; certPem: string }): NewFile[] {
  return [
    { path: `${path}.key`, content: key.privatePem, secret: true },
    { path: `${path}.crt`, content: certPem, secret: false },
  ];
}

function accountFiles({ privatePem }: ServiceAccount, keys: Keys): NewFile[] {
  // Only the public half is missing after a kill between the two files.
  const key = must(privatePem === undefined ? keys.get(SERVICE_ACCOUNT) : readSigningPair(privatePem));
  return [
    { path: `${SERVICE_ACCOUNT}.key`, content: key.privatePem, secret: true },
    { path: `${SERVICE_ACCOUNT}.pub`, content: key.publicPem, secret: false },
  ];
}

/** Keys that stay are written as they are, which does nothing but make one that others could read 0600. */
function keptKeys({ authorities, account, leaves }: Found, issued: readonly string[]): NewFile[] {
  const pairs = [
    ...authorities.map(({ spec, keyPem }) => ({ id: spec.id, path: spec.path, keyPem })),
    { id: SERVICE_ACCOUNT, path: SERVICE_ACCOUNT, keyPem: account?.privatePem },
    ...leaves.map(({ spec, keyPem }) => ({ id: spec.id, path: spec.path, keyPem })),
  ];
  return pairs.flatMap(({ id, path, keyPem }) =>
    keyPem === undefined || issued.includes(id)
      ? []
      : [{ path: `${path}.key`, content: keyPem, secret: true }],
  );
}

function directories({ dir, role }: PkiOptions): string[] {
  const below = allIds(role).some((id) => id.startsWith("etcd/")) ? [`${dir}/etcd`] : [];
  return [dir, ...below];
}

function allIds(role: PkiRole): string[] {
  const account = role === "master" ? [SERVICE_ACCOUNT] : [];
  return [...authoritiesOf(role), ...certificatesOf(role)].map((spec) => spec.id).concat(account);
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("a key that was checked before is not there");
  return value;
}
