import { listCertificates } from "../../certs/report.ts";
import { pkiOptions } from "../../certs/options.ts";
import { ExitCode } from "../errors.ts";
import type { Io, OutputFormat } from "./io.ts";
import { showResult } from "./io.ts";
import { type GlobalOptions, openSession } from "./session.ts";

/** `nodelet certs list`. @returns 1 when a certificate is missing, expired or not valid */
export async function certsList(
  io: Io,
  { options, signal }: { options: GlobalOptions & { output: OutputFormat }; signal: AbortSignal },
): Promise<number> {
  const { ctx } = await openSession({ options, io, signal, purpose: "look" });
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
  return result.every((one) => one.status === "ok" || one.status === "expiring") ? ExitCode.ok : ExitCode.failed;
}
