import { stringify } from "yaml";

/** A container of a static pod, in the words of the Kubernetes API. */
export interface PodContainer {
  name: string;
  image: string;
  imagePullPolicy: "Never";
  command: string[];
  resources: { requests: Record<string, string> };
  securityContext: Record<string, unknown>;
  livenessProbe?: Record<string, unknown>;
  volumeMounts: { name: string; mountPath: string; readOnly: boolean }[];
}

/** A pod that the kubelet runs from a file. */
export interface StaticPod {
  apiVersion: "v1";
  kind: "Pod";
  metadata: {
    name: string;
    namespace: string;
    labels: Record<string, string>;
    annotations: Record<string, string>;
  };
  spec: {
    hostNetwork: boolean;
    priorityClassName: string;
    terminationGracePeriodSeconds: number;
    containers: PodContainer[];
    volumes: { name: string; hostPath: { path: string; type: string } }[];
  };
}

/** A path of the host that a container sees at the same place. */
export interface HostMount {
  path: string;
  type: "File" | "Directory" | "DirectoryOrCreate";
  readOnly: boolean;
}

/** The name of the volume of a path: its letters and digits, joined by dashes. */
export function volumeName(path: string): string {
  return path
    .replaceAll(/[^a-z0-9]+/gi, "-")
    .replace(/^-|-$/g, "")
    .toLowerCase()
    .slice(-63)
    .replace(/^-/, "");
}

/** The volumes for the mounts of all containers, each path once. */
export function volumesOf(mounts: readonly HostMount[]): StaticPod["spec"]["volumes"] {
  const byPath = new Map(mounts.map((mount) => [mount.path, mount]));
  return [...byPath.values()].map(({ path, type }) => ({ name: volumeName(path), hostPath: { path, type } }));
}

/**
 * Arguments of a component: ours, with what the operator gave on top, sorted by name so that the text is stable.
 *
 * @param extra `--name=value` strings; the last one of a name wins
 */
export function flagsOf(ours: Readonly<Record<string, string>>, extra: readonly string[]): string[] {
  const merged = new Map(Object.entries(ours));
  for (const flag of extra) {
    const [name = "", value = "true"] = flag.replace(/^--/, "").split(/=(.*)/s);
    merged.set(name, value);
  }
  return [...merged].sort(([a], [b]) => a.localeCompare(b)).map(([name, value]) => `--${name}=${value}`);
}

/** The manifest as YAML. */
export function renderPod(pod: StaticPod): string {
  return stringify(pod, { lineWidth: 0, aliasDuplicateObjects: false });
}
