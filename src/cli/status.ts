import { listCertificates } from "../../certs/report.ts";
import { pkiOptions } from "../../certs/options.ts";
import { ExitCode } from "../errors.ts";
import type { Io, OutputFormat } from "./io.ts";
import { showResult } from "./io.ts";
import { isHealthy, probeAll } from "./phases.ts";
import { type GlobalOptions, openSession } from "./session.ts";

/** `nodelet status`: the node in one look. @returns 1 when something does not run */
export async function nodeStatus(
  io: Io,
  { options, signal }: { options: GlobalOptions & { output: OutputFormat }; signal: AbortSignal },
): Promise<number> {
  const session = await openSession({ options, io, signal, purpose: "look" });
  const { ctx, recorded } = session;
  if (!recorded) {
    showResult(io, {
      format: options.output,
      result: { state: "none" },
      table: "This host is not a node. Make it one: nodelet init\n",
    });
    return ExitCode.failed;
  }
  const phases = await probeAll(session);
  const certificates = await listCertificates(ctx.host, pkiOptions(ctx));
  const daysLeft = Math.min(...certificates.map((one) => one.daysLeft ?? 0));
  const wrong = phases.filter((one) => one.status === "stopped" || one.status === "failed");
  const busy = phases.some((one) => one.status === "executing");
  const state = busy ? "converging" : isHealthy(phases) ? "ok" : "failed";
  const { node, bundle, config } = ctx;
  const result = {
    state,
    node: node.name,
    ip: node.ip,
    role: config.role,
    clusterId: node.clusterId,
    kubernetesVersion: bundle.kubernetesVersion,
    bundle: bundle.index.name,
    certificateDaysLeft: daysLeft,
    wrong: wrong.map(({ id, status, message }) => ({ id, status, message })),
  };
  const lines = [
    `State:         ${state}`,
    `Node:          ${node.name} (${node.ip}), ${config.role}`,
    `Cluster:       ${node.clusterId}`,
    `Kubernetes:    ${bundle.kubernetesVersion}, from the bundle ${bundle.index.name}`,
    `Certificates:  ${daysLeft} days left`,
    `Phases:        ${phases.length - wrong.length} of ${phases.length} well`,
    ...wrong.map((one) => `  ${one.status}: ${one.id} (${one.title}): ${one.message}`),
  ];
  showResult(io, { format: options.output, result, table: `${lines.join("\n")}\n` });
  return state === "ok" ? ExitCode.ok : ExitCode.failed;
}
