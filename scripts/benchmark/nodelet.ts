import { cpus } from "node:os";
import type { LabHost } from "../lab/host.ts";
import { must, timed } from "./kubeadm.ts";
import { markdown, spread } from "./table.ts";

/** What `nodelet init -o json` says of itself. */
interface InitResult {
  ms: number;
  peakMemoryMb: number;
  changed: string[];
  phases: { id: string; outcome: string; ms: number }[];
}

/** One measured init. */
export interface InitRun {
  seconds: number;
  result: InitResult;
}

/**
 * Runs `nodelet init` to its end: all phases done, the node Ready, and a pod (CoreDNS) that answers through a Service.
 *
 * @param args further arguments, for example the bundle
 */
export async function nodeletInit(host: LabHost, args: readonly string[] = []): Promise<InitRun> {
  let stdout = "";
  const seconds = await timed(async () => {
    stdout = await must(host, ["nodelet", "init", "-o", "json", ...args]);
  });
  return { seconds, result: JSON.parse(stdout) as InitResult };
}

/** Runs a nodelet command. @returns seconds */
export async function nodeletTime(host: LabHost, args: string[]): Promise<number> {
  return await timed(() => must(host, ["nodelet", ...args]));
}

/** Milliseconds of one phase, of each init. */
export function phaseMs(runs: readonly InitRun[], id: string): number[] {
  return runs.map(({ result }) => result.phases.find((phase) => phase.id === id)?.ms ?? NaN);
}

/** MB that an init had resident at most. The kernel counts in KiB, and init tells MiB. */
export function peakMb({ result }: InitRun): number {
  return (result.peakMemoryMb * 2 ** 20) / 1e6;
}

/** Where the time of init went, phase by phase, as a table in Markdown. */
export function phaseTable(runs: readonly InitRun[]): string {
  const ids = runs[0]?.result.phases.map((phase) => phase.id).sort() ?? [];
  const rows = ids.map((id) => [id, spread(phaseMs(runs, id), "ms")]);
  return markdown(["phase", "time"], rows);
}

/** When and where figures were taken, above their table: `2026-11-21, 2 × Xeon, 5 rounds: …`. */
export function heading(rounds: number): string {
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}`;
  const count = `${rounds} round${rounds === 1 ? "" : "s"}`;
  return `${new Date().toISOString().slice(0, 10)}, ${machine}, ${count}: median (lowest–highest)`;
}

/**
 * Milliseconds of a program's start, measured inside the host so that entering it does not count: the median of 20 runs.
 */
export async function startMs(host: LabHost, argv: string[]): Promise<number> {
  const script =
    'for i in $(seq 20); do s=$(date +%s%N); "$@" >/dev/null; e=$(date +%s%N); echo $(((e - s) / 1000)); done';
  const lines = (await must(host, ["sh", "-c", script, "sh", ...argv])).trim().split("\n").map(Number);
  return (lines.sort((a, b) => a - b)[10] ?? 0) / 1000;
}

/** Seconds of a program in a host, measured inside of it. What it writes is lost. */
export async function insideSeconds(host: LabHost, argv: readonly string[]): Promise<number> {
  const script = 's=$(date +%s%N); "$@" >/dev/null || exit; e=$(date +%s%N); echo $(((e - s) / 1000000))';
  return Number(await must(host, ["sh", "-c", script, "sh", ...argv])) / 1000;
}

/** MB that a program in a host had resident at most: the kernel's own mark, read until it ends. */
export async function peakMemory(host: LabHost, argv: readonly string[]): Promise<number> {
  const script = `"$@" >/dev/null & pid=$!
while now=$(awk '/VmHWM/{print $2}' /proc/$pid/status 2>/dev/null) && [ -n "$now" ]; do peak=$now; sleep 0.02; done
wait $pid && echo $peak`;
  return (Number(await must(host, ["bash", "-c", script, "bash", ...argv])) * 1024) / 1e6;
}
