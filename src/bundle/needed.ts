import type { BundleEntry, BundleIndex, ImageEntry } from "./index-format.ts";

/** Images that run on masters alone, by name. What is not named here goes to every node. */
const CONTROL_PLANE: ReadonlySet<string> = new Set([
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "keepalived",
]);

/** What a node is, as far as it says what it is made of. */
export interface NodeContent {
  /** A host with the role `none` is looked at as a master. */
  role: "master" | "worker" | "none";
  /** Whose container engine it uses. */
  runtime: "host" | "bundled";
}

/** Entries of a bundle that a node is made of: a worker has no use for the control plane, nor a host with Docker for another one. */
export function neededEntries({ entries }: Pick<BundleIndex, "entries">, node: NodeContent): BundleEntry[] {
  return entries.filter((entry) => {
    if (entry.kind === "image") return isNeededImage(entry.name, node.role);
    return entry.kind !== "runtime" || node.runtime === "bundled";
  });
}

/** Images of a bundle that a node with this role runs. */
export function neededImages(
  { images }: { images: readonly ImageEntry[] },
  role: NodeContent["role"],
): ImageEntry[] {
  return images.filter(({ name }) => isNeededImage(name, role));
}

/** True for an image that a node with this role runs. */
export function isNeededImage(name: string, role: NodeContent["role"]): boolean {
  return role !== "worker" || !CONTROL_PLANE.has(name);
}
