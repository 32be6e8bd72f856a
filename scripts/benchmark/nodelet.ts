import type { LabHost } from "../lab/host.ts";
import { must, timed } from "./kubeadm.ts";

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
 */
export async function nodeletInit(host: LabHost): Promise<InitRun> {
  let stdout = "";
  const seconds = await timed(async () => {
    stdout = await must(host, ["nodelet", "init", "--bundle", "/srv/stack", "-o", "json"]);
  });
  return { seconds, result: JSON.parse(stdout) as InitResult };
}

/** Runs a nodelet command. @returns seconds */
export async function nodeletTime(host: LabHost, args: string[]): Promise<number> {
  return await timed(() => must(host, ["nodelet", ...args]));
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
