import { dueCertificates } from "../../certs/renewal.ts";
import { pkiOptions } from "../../certs/options.ts";
import type { Clock, Ctx } from "../ctx.ts";
import { messageOf } from "../errors.ts";

/** Certificates end after months; a node that was off is looked at soon after it came back. Milliseconds. */
const EVERY_MS = 3_600_000;
const FIRST_MS = 60_000;

/** What keeps certificates fresh is made of. */
export interface Renewal {
  /** This node as it is configured now. */
  current: () => Ctx | undefined;
  /** Starts all phases: the first renews what is due, and those whose files change by it start their programs anew. @returns whether it did */
  start: () => Promise<boolean>;
  tell: (words: string) => void;
  clock: Clock;
  signal: AbortSignal;
}

/** Renews the certificates of this node in time, for as long as the daemon runs. Never rejects. */
export async function keepCertificates({ current, start, tell, clock, signal }: Renewal): Promise<void> {
  await clock.sleep(FIRST_MS, signal);
  while (!signal.aborted) {
    const ctx = current();
    const due = ctx ? await dueOn(ctx, tell) : [];
    if (due.length > 0) {
      tell(`renewing certificates that end soon: ${due.join(", ")}`);
      const ok = await start();
      const left = ok && ctx ? await dueOn(ctx, tell) : due;
      tell(
        left.length === 0
          ? "certificates are renewed"
          : `not renewed yet: ${left.join(", ")}; tried again in an hour`,
      );
    }
    await clock.sleep(EVERY_MS, signal);
  }
}

async function dueOn(ctx: Ctx, tell: (words: string) => void): Promise<string[]> {
  try {
    return await dueCertificates(ctx.host, { ...pkiOptions(ctx), now: new Date(ctx.clock.now()) });
  } catch (error) {
    tell(`cannot tell whether certificates are due: ${messageOf(error)}`);
    return [];
  }
}
