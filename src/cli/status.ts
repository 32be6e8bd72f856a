import { stringify } from "yaml";
import { systemClock } from "../ctx.ts";
import { ExitCode } from "../errors.ts";
import { type Io, type OutputFormat, showResult } from "./io.ts";
import type { GlobalOptions } from "./session.ts";
import { lookAtNode, type NodeStatus } from "./status-look.ts";
import { exitCodeOf } from "./status-state.ts";
import { statusText } from "./status-text.ts";

/** From the end of a look to the next, in milliseconds. */
const WATCH_MS = 1_000;

/** Cursor home, and the rest of the screen empty. */
const CLEAR = "\x1b[H\x1b[J";

/** What `nodelet status` is called with. */
export interface NodeStatusCall {
  options: GlobalOptions & { output: OutputFormat; watch?: boolean };
  signal: AbortSignal;
}

/** `nodelet status`: the node in one look, or again and again. @returns the exit code of the (last) state */
export async function nodeStatus(io: Io, call: NodeStatusCall): Promise<number> {
  if (call.options.watch) return await watchStatus(io, call);
  const found = await lookAtNode(io, call);
  showResult(io, { format: call.options.output, ...shownOf(found) });
  return exitCodeOf(found?.state ?? "none");
}

function shownOf(found: NodeStatus | undefined): { result: unknown; table: string } {
  if (found) return { result: found, table: statusText(found, Date.now()) };
  return { result: { state: "none" }, table: "This host is not a node. Make it one: nodelet init\n" };
}

/** Until Ctrl-C. A terminal is drawn anew each time; elsewhere there is a block for every change. */
async function watchStatus(io: Io, { options, signal }: NodeStatusCall): Promise<number> {
  const { output: format } = options;
  const redraws = io.screen && format === "table";
  let before: string | undefined;
  let code: number = ExitCode.interrupted;
  while (!signal.aborted) {
    const found = await lookAtNode(io, { options, signal });
    // What was interrupted is no look.
    if (signal.aborted) break;
    code = exitCodeOf(found?.state ?? "none");
    const now = essence(found);
    if (redraws || now !== before) io.out(block({ found, format, redraws, first: before === undefined }));
    before = now;
    await systemClock.sleep(WATCH_MS, signal);
  }
  return code;
}

interface Block {
  found: NodeStatus | undefined;
  format: OutputFormat;
  redraws: boolean;
  first: boolean;
}

function block({ found, format, redraws, first }: Block): string {
  const { result, table } = shownOf(found);
  if (format === "json") return `${JSON.stringify(result)}\n`;
  if (format === "yaml") return `---\n${stringify(result)}`;
  if (redraws) return `${CLEAR}${table}\nEvery second, until Ctrl-C.\n`;
  return first ? table : `\n${table}`;
}

/** The status without what changes with every look at a node on which nothing happens. */
function essence(found: NodeStatus | undefined): string {
  if (!found) return "";
  const { health, daemon, ...rest } = found;
  return JSON.stringify({
    ...rest,
    daemon: { ...daemon, passMs: undefined },
    health: { ...health, status_check_timestamp: 0, last_failed_status_time: 0, current_status_check: "" },
  });
}
