import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ensurePki } from "../../../certs/ensure.ts";
import { certificates, type CertSpec, type PkiParams } from "../../../certs/list.ts";
import { AppError } from "../../../src/errors.ts";
import type { Host } from "../../../src/host/host.ts";
import { Journal } from "../../../src/host/journal.ts";
import { realHost } from "../../../src/host/real.ts";
import { run } from "../../../src/host/run.ts";

export const DIR = "/etc/pf9/kube.d/certs";
export const DAY = 86_400_000;

export const params: PkiParams = {
  nodeName: "node-a",
  nodeIp: "10.0.0.1",
  masterIp: "fd00::10",
  apiServiceIp: "10.21.0.1",
  clusterDomain: "cluster.local",
  externalDnsName: "k8s.example.com",
  extraNames: ["Extra.example.com", "192.0.2.7", "10.0.0.1"],
};

/** Files of a PKI, to start a node with. */
export type Files = Record<string, string | undefined>;

/** The moment at which everything is issued, unless a test says otherwise. */
export const ISSUED = new Date("2026-06-01T12:00:00Z");

/** A whole PKI of a master. Keys take long, so that tests start from copies of one. */
export async function issuedFiles(): Promise<Files> {
  await using node = await pkiRoot();
  await node.ensure();
  return await snapshot(node);
}

/** A node in a directory that is removed at the end of its scope; without files, a bare one. */
export async function pkiRoot(files: Files = {}) {
  const root = await mkdtemp(join(tmpdir(), "nodelet-certs-"));
  const machine = { root, run, docker: undefined as never };
  const host = realHost(machine, { journal: new Journal(machine) });
  const at = (path: string) => join(root, DIR, path);
  if (Object.keys(files).length > 0) await mkdir(at("etcd"), { recursive: true, mode: 0o700 });
  if (Object.keys(files).length > 0) await chmod(at("."), 0o700);
  for (const [path, content] of Object.entries(files)) {
    await writeFile(at(path), content ?? "", { mode: path.endsWith(".key") ? 0o600 : 0o644 });
  }
  return {
    host,
    at,
    read: (path: string) => readFile(at(path), "utf8"),
    mode: async (path: string) => (await stat(at(path))).mode & 0o777,
    async write(path: string, content: string) {
      await mkdir(dirname(at(path)), { recursive: true });
      await writeFile(at(path), content);
    },
    remove: (path: string) => rm(at(path)),
    ensure: (options: Partial<Parameters<typeof ensurePki>[1]> = {}) =>
      ensurePki(host, { dir: DIR, role: "master", params, now: ISSUED, ...options }),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}

export type PkiRoot = Awaited<ReturnType<typeof pkiRoot>>;

/** The files of a directory and what they hold, below the PKI. */
export async function snapshot({ host }: { host: Host }): Promise<Files> {
  const names = (await host.list(DIR)).filter((name) => name !== "etcd");
  const below = (await host.list(`${DIR}/etcd`)).map((name) => `etcd/${name}`);
  const entries = [...names, ...below].map(
    async (name) => [name, await host.read(`${DIR}/${name}`)] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

/** Copies files of one node to another. */
export async function copy(
  from: PkiRoot,
  { to, files }: { to: PkiRoot; files: readonly string[] },
): Promise<void> {
  for (const file of files) await to.write(file, await from.read(file));
}

/** A certificate of the list. */
export function spec(id: string): CertSpec {
  const found = certificates.find((one) => one.id === id);
  if (!found) throw new Error(`no certificate ${id}`);
  return found;
}

/** Runs openssl. @returns what it says */
export async function openssl(...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await run(["openssl", ...args], { check: false });
  return exitCode === 0 ? stdout : `exit ${exitCode}: ${stdout}${stderr}`;
}

/** Verifies a certificate with openssl as of {@linkcode ISSUED}. @returns what openssl says */
export async function opensslVerify(
  cert: string,
  { ca, args = [] }: { ca: string; args?: string[] },
): Promise<string> {
  const at = String(ISSUED.getTime() / 1000);
  return await openssl("verify", "-x509_strict", "-attime", at, ...args, "-CAfile", ca, cert);
}

/** The AppError that a promise ends with. */
export async function refusal(promise: Promise<unknown>): Promise<AppError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof AppError) return error;
  throw new Error("expected an AppError", { cause: error });
}
