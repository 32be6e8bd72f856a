import { existsSync, readFileSync } from "node:fs";
import type { Config } from "../config/config.ts";
import { writeAtomically } from "../host/atomic.ts";
import { type Machine, placeOf } from "../host/machine.ts";
import type { KubeObject } from "../kube/client.ts";
import { paths } from "../paths.ts";

/** Set to `"true"` on a node that is taken out of the cluster, before its object is deleted. */
export const REMOVED_ANNOTATION = "nodelet.pf9.io/removed";

/** Who took it out, in words. */
export const REMOVED_BY_ANNOTATION = "nodelet.pf9.io/removed-by";

/** That this node was taken out of its cluster. */
export interface Removal {
  /** ISO time. */
  at: string;
  /** Who did it, as far as the cluster tells. */
  by: string;
}

/** Reads whether this node was taken out of its cluster. A file that is damaged says so as well, without by whom. */
export function readRemoval(machine: Machine): Removal | undefined {
  const file = placeOf(machine, paths.removed);
  if (!existsSync(file)) return undefined;
  try {
    const { at, by } = JSON.parse(readFileSync(file, "utf8")) as Partial<Removal>;
    if (typeof at === "string" && typeof by === "string") return { at, by };
  } catch {
    // That it is there is what counts.
  }
  return { at: "", by: "an administrator of the cluster" };
}

/** What is told of it. */
export function removalWords({ by }: Removal): string {
  return `removed from the cluster by ${by}; run nodelet reset`;
}

/**
 * Remembers that the object of this node says that it is taken out. It lasts through a reboot, when the object is gone: the
 * node would else start, and make itself a new one.
 *
 * @returns what is new, or undefined when nothing is
 * @throws AppError when it cannot be written
 */
export async function keepRemoval(
  machine: Machine,
  { own, now }: { own: KubeObject; now: number },
): Promise<Removal | undefined> {
  const annotations = own.metadata.annotations ?? {};
  if (annotations[REMOVED_ANNOTATION] !== "true" || readRemoval(machine)) return undefined;
  const by = annotations[REMOVED_BY_ANNOTATION] || "an administrator of the cluster";
  const removal = { at: new Date(now).toISOString(), by };
  await writeAtomically(placeOf(machine, paths.removed), `${JSON.stringify(removal)}\n`, { mode: 0o600 });
  return removal;
}

/** What the services of this node are to be: what the configuration says, and nothing on a node that was taken out. */
export function wantedServices(machine: Machine, config: Config): Config["kubeServiceState"] {
  const { kubeServiceState } = config;
  return kubeServiceState === "true" && readRemoval(machine) ? "false" : kubeServiceState;
}
