import { ensureAll, type Host } from "../src/host/host.ts";
import type { AnyWanted } from "../src/host/kinds/index.ts";
import { createCsr } from "./csr.ts";
import { generateKey, type KeyPair, readKeyPair } from "./keys.ts";
import { certificatesOf, type PkiParams } from "./list.ts";

/** The certificate that a node is known by. */
const OWN = "kubelet-client";

/** What a host that joins asks for. */
export interface JoinRequests {
  /** Requests by id of the certificate. */
  csrs: Record<string, string>;
  /** Public key of the certificate that it will be known by, in PEM. */
  publicPem: string;
}

/**
 * The keys of a host that joins, and requests for their certificates. A key that is here is used again, so that the masters know a host
 * which comes again after an interruption; the keys are on the disk before anybody sees a request, and never leave the host.
 */
export async function joinRequests(
  host: Host,
  { dir, params }: { dir: string; params: PkiParams },
): Promise<JoinRequests> {
  const specs = certificatesOf("worker");
  const pairs = await Promise.all(specs.map(({ path }) => keyAt(host, `${dir}/${path}.key`)));
  await ensureAll(host, [
    { kind: "dir", path: dir, mode: 0o700 },
    ...specs.map(({ path }, at): AnyWanted => ({
      kind: "file",
      path: `${dir}/${path}.key`,
      content: (pairs[at] as KeyPair).privatePem,
      mode: 0o600,
      secret: true,
    })),
  ]);
  const made = specs.map(async (spec, at) => [
    spec.id,
    await createCsr(spec, { key: pairs[at] as KeyPair, params }),
  ]);
  const own = pairs[specs.findIndex(({ id }) => id === OWN)] as KeyPair;
  return {
    csrs: Object.fromEntries(await Promise.all(made)) as Record<string, string>,
    publicPem: own.publicPem,
  };
}

/** The public key that an interrupted run made for this host, in PEM; undefined when none did. */
export async function ownPublicKey(host: Host, { dir }: { dir: string }): Promise<string | undefined> {
  const text = await host.read(`${dir}/${OWN}.key`);
  return text === undefined ? undefined : readKeyPair(text)?.publicPem;
}

/** Writes what a master has signed. @throws Error for a certificate that a node does not have */
export async function writeCertificates(
  host: Host,
  { dir, certificates }: { dir: string; certificates: Readonly<Record<string, string>> },
): Promise<void> {
  const specs = certificatesOf("worker");
  await ensureAll(
    host,
    // The one that says that the host was admitted comes last.
    specs
      .toSorted((a, b) => Number(a.id === OWN) - Number(b.id === OWN))
      .map(({ id, path }): AnyWanted => {
        const content = certificates[id];
        if (content === undefined) throw new Error(`the master sent no certificate "${id}"`);
        return { kind: "file", path: `${dir}/${path}.crt`, content, mode: 0o644 };
      }),
  );
}

async function keyAt(host: Host, path: string): Promise<KeyPair> {
  const text = await host.read(path);
  const found = text === undefined ? undefined : readKeyPair(text);
  return found ?? (await generateKey("ec"));
}
