import type { Clock } from "../ctx.ts";
import { messageOf } from "../errors.ts";
import type { Listener, PhaseEvent } from "../runner/events.ts";
import type { Io } from "./io.ts";

/** Shows a time as `1.2 s` or `340 ms`. */
export function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/**
 * One line for each phase that ended, in the order of ending. On a terminal a last line says what is waited for.
 *
 * @returns the listener, and `clear`, which takes the last line away
 */
export function progress(io: Io): { listen: Listener; clear(): void } {
  const waiting = new Map<string, string>();
  const clear = () => {
    if (io.terminal) io.err("\r\x1b[K");
  };
  const showWaiting = () => {
    const text = [...waiting].map(([title, what]) => (what ? `${title}: ${what}` : title)).join(" · ");
    if (io.terminal && text) io.err(`\r\x1b[K… ${text.slice(0, 110)}`);
  };
  const listen: Listener = (event) => {
    const { title } = event.phase;
    if (event.type === "begin") waiting.set(title, "");
    if (event.type === "say") waiting.set(title, event.what);
    if (event.type === "end" || event.type === "fail") {
      waiting.delete(title);
      clear();
      io.err(`${progressLine(event)}\n`);
    }
    showWaiting();
  };
  return { listen, clear };
}

function progressLine(event: PhaseEvent & { type: "end" | "fail" }): string {
  const at = `[${String(event.index).padStart(2)}/${event.total}]`;
  const verb = event.verb === "start" ? "" : "stop ";
  const what = event.type === "fail" ? "failed" : event.outcome === "changed" ? "done" : "unchanged";
  return `${at} ${verb}${event.phase.id}: ${event.phase.title}: ${what}, ${duration(event.ms)}`;
}

/** The same events for the log, each with its words. */
export function logLine(event: PhaseEvent): string {
  const subject = `phase ${event.phase.id} ${event.verb}`;
  switch (event.type) {
    case "begin":
      return `${subject}: begin`;
    case "say":
      return `${subject}: waiting: ${event.what}`;
    case "end":
      return `${subject}: ${event.outcome}, ${duration(event.ms)}`;
    case "fail":
      return `${subject}: failed after ${duration(event.ms)}: ${messageOf(event.error)}`;
  }
}

/** The time as it stands in kube.log: UTC, to the millisecond. */
export function timestamp(clock: Clock): string {
  return new Date(clock.now()).toISOString().replace("T", " ").replace("Z", "");
}
