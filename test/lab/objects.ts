import { type TestNode, waitUntil } from "./harness.ts";

/**
 * A server that says who it is, from what the stack has: etcd answers `POST /v3/cluster/member/list` with its own name, and
 * its image has a client that can be run in a pod. Each pod is a cluster of one, named like the pod.
 */
export const WHO = { port: 2379, nodePort: 30379, path: "/v3/cluster/member/list" } as const;

const env = [{ name: "NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }];

/** The pod of the server. */
export function whoPod(image: string) {
  const urls = {
    "listen-client-urls": `http://0.0.0.0:${WHO.port}`,
    "advertise-client-urls": `http://localhost:${WHO.port}`,
    "data-dir": "/data",
    name: "$(NAME)",
    "initial-cluster": "$(NAME)=http://localhost:2380",
    "initial-advertise-peer-urls": "http://localhost:2380",
    "unsafe-no-fsync": "true",
  };
  return {
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        name: "who",
        image,
        imagePullPolicy: "Never",
        command: ["etcd", ...Object.entries(urls).map(([name, value]) => `--${name}=${value}`)],
        env,
        readinessProbe: { httpGet: { path: "/health", port: WHO.port }, periodSeconds: 1 },
        volumeMounts: [{ name: "data", mountPath: "/data" }],
      },
    ],
    volumes: [{ name: "data", emptyDir: {} }],
  };
}

/** Pods of the server with a service in front, reachable at a node port too. */
export function whoService(options: {
  image: string;
  replicas: number;
  name?: string;
  nodePort?: number;
}): object[] {
  const { image, replicas, name = "who", nodePort } = options;
  const labels = { app: name };
  return [
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name, namespace: "default" },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: whoPod(image) },
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name, namespace: "default" },
      spec: {
        ...(nodePort && { type: "NodePort" }),
        selector: labels,
        ports: [{ port: WHO.port, ...(nodePort && { nodePort }) }],
      },
    },
  ];
}

/** The lone pod of a name. */
export function whoAlone(options: { image: string; name: string; labels?: Record<string, string> }): object {
  const { image, name, labels = {} } = options;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", labels },
    spec: whoPod(image),
  };
}

/** What every host has for asking: its shell. `$1` is the address, `$2` the port, `$3` the path. */
const ASK = `set -o pipefail; exec 3<>"/dev/tcp/$1/$2" &&
printf 'POST %s HTTP/1.0\\r\\nHost: %s\\r\\nContent-Length: 2\\r\\n\\r\\n{}' "$3" "$1" >&3 && sed '1,/^\\r$/d' <&3`;

/** Asks a server from the host who it is. @param address `HOST:PORT` */
export async function ask(node: TestNode, address: string): Promise<{ exitCode: number; stdout: string }> {
  const argv = ["timeout", "5", "bash", "-c", ASK, "bash", ...address.split(":"), WHO.path];
  return await node.host.exec(argv);
}

/**
 * Asks until every pod has answered; kube-proxy throws a coin for each connection.
 *
 * @returns the names of the pods that answered, sorted
 */
export async function askTillAll(
  work: () => Promise<{ exitCode: number; stdout: string }>,
  pods: readonly string[],
): Promise<string[]> {
  const seen = new Set<string>();
  await waitUntil(
    async () => {
      const { exitCode, stdout } = await work();
      if (exitCode !== 0) throw new Error(`code ${exitCode}; seen so far: ${[...seen].join(", ")}`);
      for (const member of JSON.parse(stdout).members) seen.add(member.name);
      return seen.size >= pods.length;
    },
    { what: `answers of ${pods.join(" and ")}`, deadlineMs: 30_000 },
  );
  return [...seen].sort();
}
