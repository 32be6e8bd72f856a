import type { Ctx } from "../../../src/ctx.ts";
import type { PhaseEvent } from "../../../src/runner/events.ts";
import type { Phase } from "../../../src/runner/phase.ts";

/** A phase that does nothing, with what a test wants of it on top. */
export function phase(id: string, more: Partial<Phase> = {}): Phase {
  const nothing = async () => "unchanged" as const;
  return { id, title: `Title of ${id}`, roles: ["master"], start: nothing, stop: nothing, ...more };
}

/** As much of a context as the runner looks at. */
export function ctxWith(signal: AbortSignal = new AbortController().signal): Ctx {
  return { signal } as Ctx;
}

/** A listener that keeps what it heard, as `begin 010-a`. */
export function hearing() {
  const heard: string[] = [];
  const listen = (event: PhaseEvent) => {
    const more = event.type === "say" ? ` ${event.what}` : event.type === "end" ? ` ${event.outcome}` : "";
    heard.push(`${event.type} ${event.verb} ${event.phase.id}${more}`);
  };
  return { heard, listen };
}

/** A promise that is settled from outside. */
export const gate = () => Promise.withResolvers<void>();

/** What a promise is rejected with. */
export async function reasonOf(work: Promise<unknown>): Promise<Error> {
  const reason = await work.then(
    () => new Error("it did not fail"),
    (error: unknown) => error,
  );
  return reason as Error;
}
