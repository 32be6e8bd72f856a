import { writeCsrs } from "../../certs/external.ts";
import { listCertificates } from "../../certs/report.ts";
import { pkiOptions } from "../../certs/options.ts";
import { ExitCode } from "../errors.ts";
import type { Io, OutputFormat } from "./io.ts";
import { showResult } from "./io.ts";
import { type GlobalOptions, openSession, operatorLock } from "./session.ts";

/** `nodelet certs csr`: requests for what an authority elsewhere must sign. The keys stay on this node. */
export async function certsCsr(
  io: Io,
  { options, signal }: { options: GlobalOptions & { output: OutputFormat }; signal: AbortSignal },
): Promise<number> {
  using _lock = await operatorLock(options, "nodelet certs csr");
  const { ctx } = await openSession({
    options,
    io,
    signal,
    purpose: "change",
    withoutBundle: true,
    withoutSitePhases: true,
  });
  const written = await writeCsrs(ctx.host, pkiOptions(ctx));
  const result = written.map(({ id, path }) => ({ name: id, path }));
  const words = "Nothing to request: every certificate is good, or its authority is on this node.\n";
  const table = { columns: ["NAME", "REQUEST"], rows: result.map(({ name, path }) => [name, path]) };
  showResult(io, { format: options.output, result, table: result.length > 0 ? table : words });
  return ExitCode.ok;
}

/** `nodelet certs list`. @returns 1 when a certificate is missing, expired or not valid */
export async function certsList(
  io: Io,
  { options, signal }: { options: GlobalOptions & { output: OutputFormat }; signal: AbortSignal },
): Promise<number> {
  const { ctx } = await openSession({ options, io, signal, purpose: "look", withoutSitePhases: true });
  const result = await listCertificates(ctx.host, pkiOptions(ctx));
  const rows = result.map((one) => [
    one.name,
    one.subject ?? "",
    one.notAfter ? one.notAfter.toISOString().slice(0, 10) : "",
    one.daysLeft === undefined ? "" : String(one.daysLeft),
    one.status,
    one.reason ?? "",
  ]);
  showResult(io, {
    format: options.output,
    result,
    table: { columns: ["NAME", "SUBJECT", "EXPIRES", "DAYS LEFT", "STATUS", "REASON"], rows },
  });
  return result.every((one) => one.status === "ok" || one.status === "expiring")
    ? ExitCode.ok
    : ExitCode.failed;
}
