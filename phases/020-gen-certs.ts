import { certificates } from "../certs/list.ts";
import { ensurePki } from "../certs/ensure.ts";
import { listCertificates } from "../certs/report.ts";
import { pkiOptions } from "../certs/options.ts";
import { ensureAll } from "../src/host/host.ts";
import type { Phase } from "../src/runner/phase.ts";

/** The PKI: three CAs, the service-account pair, and a certificate for each identity of this node. */
export const genCerts: Phase = {
  id: "020-gen-certs",
  title: "Generate certs / Send signing request to CA",
  roles: ["master", "worker"],
  async start(ctx) {
    const { outcome } = await ensurePki(ctx.host, pkiOptions(ctx));
    return outcome;
  },
  // The authorities stay: they are the cluster's identity, and what they signed elsewhere must not lose its root.
  stop: (ctx) =>
    ensureAll(
      ctx.host,
      certificates.flatMap(({ path }) => [
        { kind: "absent", path: `${ctx.paths.certs}/${path}.crt` } as const,
        { kind: "absent", path: `${ctx.paths.certs}/${path}.key` } as const,
      ]),
    ),
  async status(ctx) {
    const bad = (await listCertificates(ctx.host, pkiOptions(ctx))).filter(
      (one) => one.status !== "ok" && one.status !== "expiring",
    );
    if (bad.length === 0) return { state: "running" };
    const message = bad.map((one) => `${one.name}: ${one.reason ?? one.status}`).join("; ");
    return { state: bad.every((one) => one.status === "missing") ? "stopped" : "failed", message };
  },
};
