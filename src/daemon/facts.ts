import { release } from "node:os";
import { pkiOptions } from "../../certs/options.ts";
import { type CertificateReport, listCertificates } from "../../certs/report.ts";
import type { Ctx } from "../ctx.ts";
import { messageOf } from "../errors.ts";
import { type EtcdFigures, etcdFigures } from "../etcd/health.ts";

/** What is told of a certificate. */
export type CertificateFact = Pick<CertificateReport, "name" | "daysLeft" | "status"> & {
  /** ISO time. */
  notAfter: string | undefined;
};

/** How etcd is. */
export type EtcdFact = ({ up: true } & EtcdFigures) | { up: false; missing: string };

/** An engine that is stuck must not hold up who asks how the node is, in milliseconds. */
const ENGINE_MS = 1_000;

/** The certificates of a node, in the order of `nodelet certs list`; none when they cannot be read. */
export async function certificateFacts(ctx: Ctx): Promise<CertificateFact[]> {
  const found = await listCertificates(ctx.host, pkiOptions(ctx)).catch(() => []);
  return found.map(({ name, daysLeft, status, notAfter }) => ({
    name,
    daysLeft,
    status,
    notAfter: notAfter?.toISOString(),
  }));
}

/** The certificate that ends first. */
export function firstToEnd(certificates: readonly CertificateFact[]): CertificateFact | undefined {
  return certificates
    .filter(({ notAfter }) => notAfter !== undefined)
    .toSorted((a, b) => Date.parse(a.notAfter ?? "") - Date.parse(b.notAfter ?? ""))[0];
}

/**
 * Versions of what a node is made of, by name. Those of the bundle are what it was made from; Docker is asked, and left out
 * when it does not answer.
 */
export async function versionsOf(
  ctx: Ctx,
  { nodelet }: { nodelet: string },
): Promise<Record<string, string>> {
  const { bundle, docker } = ctx;
  const late = Bun.sleep(ENGINE_MS).then(() => undefined);
  const engine = await Promise.race([docker.info().catch(() => undefined), late]);
  const cni = bundle.binaries.find(({ kind }) => kind === "cni");
  const image = (name: string) => bundle.findImage(name)?.version;
  const versions = Object.entries({
    nodelet,
    kubernetes: bundle.kubernetesVersion,
    etcd: image("etcd"),
    coredns: image("coredns"),
    pause: image("pause"),
    cni: cni?.version,
    docker: engine?.version,
    kernel: release(),
  });
  return Object.fromEntries(versions.flatMap(([name, version]) => (version ? [[name, version]] : [])));
}

/** How etcd of this node is; undefined on a node that has none. */
export async function etcdFact(ctx: Ctx): Promise<EtcdFact | undefined> {
  if (ctx.config.role !== "master") return undefined;
  const options = { port: ctx.config.etcdClientPort, signal: ctx.signal };
  try {
    const found = await etcdFigures(ctx.host, options);
    return "missing" in found ? { up: false, missing: found.missing } : { up: true, ...found };
  } catch (error) {
    return { up: false, missing: messageOf(error) };
  }
}
