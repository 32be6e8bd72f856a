import type { BundleEntry, BundleIndex, ImageEntry } from "./index-format.ts";

/** Images that run on masters alone, by name. What is not named here goes to every node. */
const CONTROL_PLANE: ReadonlySet<string> = new Set([
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "keepalived",
]);

/** The image that only masters with an address in common have a use for. */
const HOLDER = "keepalived";

/** Images that only the network plugin of the same name has a use for. */
const PLUGINS: ReadonlySet<string> = new Set(["flannel"]);

/** What a node is, as far as it says what it is made of. */
export interface NodeContent {
  /** A host with the role `none` is looked at as a master. */
  role: "master" | "worker" | "none";
  /** Whose container engine it uses. */
  runtime: "host" | "bundled";
  /** As the configuration has it. */
  networkPlugin: string;
  /** The address that the masters have in common, if there is one. */
  masterVip?: string | undefined;
}

/** What of that says which images it runs. */
export type NodeImages = Pick<NodeContent, "role" | "networkPlugin" | "masterVip">;

/** Entries of a bundle that a node is made of: a worker has no use for the control plane, nor a host with Docker for another one. */
export function neededEntries({ entries }: Pick<BundleIndex, "entries">, node: NodeContent): BundleEntry[] {
  return entries.filter((entry) => {
    if (entry.kind === "image") return isNeededImage(entry.name, node);
    return entry.kind !== "runtime" || node.runtime === "bundled";
  });
}

/** Images of a bundle that such a node runs. */
export function neededImages({ images }: { images: readonly ImageEntry[] }, node: NodeImages): ImageEntry[] {
  return images.filter(({ name }) => isNeededImage(name, node));
}

/** True for an image that such a node runs. */
export function isNeededImage(name: string, { role, networkPlugin, masterVip }: NodeImages): boolean {
  if (PLUGINS.has(name)) return name === networkPlugin;
  if (name === HOLDER && masterVip === undefined) return false;
  return role !== "worker" || !CONTROL_PLANE.has(name);
}
