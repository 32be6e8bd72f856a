import type { Kube } from "../../kube/client.ts";

/** On every object that a manifest brought: whose it is. What does not carry it is never deleted. */
export const OWNER = "nodelet.pf9.io/network-plugin";

/** What of a network plugin is in the cluster, told by the cluster itself, so that any master can clean up. */
export interface Inventory {
  plugin: string;
  /** Digest of what was applied as a whole; empty while that is not complete. */
  digest: string;
  /** Paths of the API, in the order in which they were applied. */
  paths: string[];
}

const PATH = "/api/v1/namespaces/kube-system/configmaps/nodelet-network-plugin";

/** What is in the cluster, or undefined when no master ever applied a manifest. */
export async function readInventory(kube: Kube): Promise<Inventory | undefined> {
  const found = await kube.get(PATH);
  if (!found) return undefined;
  const { plugin = "", digest = "", paths = "" } = (found.data ?? {}) as Record<string, string>;
  return { plugin, digest, paths: paths.split("\n").filter(Boolean) };
}

/** Keeps it in the cluster. */
export async function writeInventory(kube: Kube, { plugin, digest, paths }: Inventory): Promise<void> {
  await kube.apply(PATH, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "nodelet-network-plugin", namespace: "kube-system" },
    data: { plugin, digest, paths: paths.join("\n") },
  });
}

/** There is nothing left to clean up. */
export async function removeInventory(kube: Kube): Promise<void> {
  await kube.request("DELETE", PATH);
}
