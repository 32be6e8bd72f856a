import { authoritiesOf, certificates } from "../certs/list.ts";
import { ensurePki } from "../certs/ensure.ts";
import { joinRequests, writeCertificates } from "../certs/joining.ts";
import { pkiOptions } from "../certs/options.ts";
import { dueCertificates } from "../certs/renewal.ts";
import { listCertificates } from "../certs/report.ts";
import type { Ctx } from "../src/ctx.ts";
import { messageOf } from "../src/errors.ts";
import { ensureAll } from "../src/host/host.ts";
import { askMasters } from "../src/join/member.ts";
import { votesYet } from "../src/removal.ts";
import type { Phase } from "../src/runner/phase.ts";

/**
 * A worker has certificates that end soon renewed by a master. Their keys stay: the masters know the node by one of them, and there is no
 * moment at which a kill could leave a certificate without its key.
 *
 * @returns true when they were; masters that are away are asked again later
 */
async function renewAtMasters(ctx: Ctx): Promise<boolean> {
  const options = { ...pkiOptions(ctx), now: new Date(ctx.clock.now()) };
  if (ctx.host.detached || (await ctx.host.read(`${options.dir}/ca.crt`)) === undefined) return false;
  if ((await dueCertificates(ctx.host, options)).length === 0) return false;
  try {
    const { csrs } = await joinRequests(ctx.host, options);
    const certificates = await askMasters(ctx, (master) => master.renew({ ip: ctx.node.ip, csrs }));
    await writeCertificates(ctx.host, { dir: options.dir, certificates });
    return true;
  } catch (error) {
    ctx.log.warn(`certificates end soon and are not renewed yet: ${messageOf(error)}`);
    return false;
  }
}

/** The PKI: three CAs, the service-account pair, and a certificate for each identity of this node. */
export const genCerts: Phase = {
  id: "020-gen-certs",
  title: "Generate certs / Send signing request to CA",
  roles: ["master", "worker"],
  needs: [],
  async start(ctx) {
    const renewed = ctx.config.role === "worker" && (await renewAtMasters(ctx));
    const { outcome } = await ensurePki(ctx.host, pkiOptions(ctx));
    return renewed ? "changed" : outcome;
  },
  // The authorities stay: they are the cluster's identity, and what they signed elsewhere must not lose its root. A
  // certificate stays too where its authority's key is elsewhere: this node could not have it issued again.
  async stop(ctx) {
    const { host, paths } = ctx;
    if (await votesYet(ctx)) return "unchanged";
    const leaves = await Promise.all(
      certificates.map(async ({ path, ca }) =>
        (await host.exists(`${paths.certs}/${ca}.key`)) ? [path] : [],
      ),
    );
    const files = leaves
      .flat()
      .flatMap((path) => [`${paths.certs}/${path}.crt`, `${paths.certs}/${path}.key`]);
    return await ensureAll(
      host,
      files.map((path) => ({ kind: "absent", path }) as const),
    );
  },
  async status(ctx) {
    const options = pkiOptions(ctx);
    const bad = (await listCertificates(ctx.host, options)).filter(
      (one) => one.status !== "ok" && one.status !== "expiring",
    );
    if (bad.length === 0) return { state: "running" };
    const message = bad.map((one) => `${one.name}: ${one.reason ?? one.status}`).join("; ");
    // A stop takes all leaves away; one that is missing alone was lost.
    const stopped = bad.length >= certificates.length && bad.every((one) => one.status === "missing");
    // No start can mend an authority, and what runs with the certificates that it signed goes on.
    const authorities = authoritiesOf(options.role).map(({ id }) => id);
    const beyond = bad.some(({ name }) => authorities.includes(name));
    return { state: stopped ? "stopped" : "failed", message, ...(beyond && { elsewhere: true }) };
  },
};
