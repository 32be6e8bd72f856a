import { inNetworkInside } from "../../scripts/lab/host.ts";
import { ensurePackages } from "../../scripts/lib/apt.ts";
import { type TestNode, waitUntil } from "./harness.ts";

const NAME = "pairs";

/** Bytes after the headers of IP and ICMP: a packet of 1400 bytes, and one that no link takes as a whole. */
const WHOLE = 1372;
const CUT = 4000;
const NAMESPACE = "default";

/** Where a pod says who asks. */
export const WHOAMI_PORT = 5353;

/** A pod of the set, on its node. */
export interface PairPod {
  name: string;
  ip: string;
  node: string;
}

/** A server on every node, with a service in front; what it runs is on every node by its image. @param master where kubectl works */
export async function podOnEveryNode(master: TestNode): Promise<void> {
  await ensurePackages(["iputils-ping"]);
  const image = await master.sh("docker images --format '{{.Repository}}:{{.Tag}}' | grep /coredns:");
  const labels = { app: NAME };
  await master.apply(
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: NAME, namespace: NAMESPACE },
      // Answers over HTTP on port 8080 that it is well.
      data: { Corefile: `.:${WHOAMI_PORT} {\n  whoami\n  health :8080\n}\n` },
    },
    {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: { name: NAME, namespace: NAMESPACE },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: podSpec(image) },
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: NAME, namespace: NAMESPACE },
      spec: {
        selector: labels,
        ports: [
          { name: "http", port: 8080 },
          { name: "whoami", port: WHOAMI_PORT, protocol: "UDP" },
        ],
      },
    },
  );
}

const podSpec = (image: string) => ({
  terminationGracePeriodSeconds: 1,
  tolerations: [{ operator: "Exists" }],
  containers: [
    {
      name: NAME,
      image,
      imagePullPolicy: "Never",
      args: ["-conf", "/etc/pairs/Corefile"],
      readinessProbe: { httpGet: { path: "/health", port: 8080 }, periodSeconds: 1 },
      volumeMounts: [{ name: "config", mountPath: "/etc/pairs" }],
    },
  ],
  volumes: [{ name: "config", configMap: { name: NAME } }],
});

/** Waits until there is a ready pod on each of the nodes. @returns those pods, and none of other nodes */
export async function readyPods(master: TestNode, nodes: readonly TestNode[]): Promise<PairPod[]> {
  return await waitUntil(
    async () => {
      const { items } = await master.get(`pods -n ${NAMESPACE} -l app=${NAME}`);
      const ready = items.filter((one: any) =>
        one.status.containerStatuses?.every((each: any) => each.ready),
      );
      const pods: PairPod[] = ready.map((one: any) => ({
        name: one.metadata.name,
        ip: one.status.podIP,
        node: one.spec.nodeName,
      }));
      const missing = nodes
        .filter(({ name }) => !pods.some(({ node }) => node === name))
        .map(({ name }) => name);
      if (missing.length > 0) throw new Error(`no ready pod on ${missing.join(", ")}`);
      return pods.filter((pod) => nodes.some(({ name }) => name === pod.node));
    },
    { what: "a ready pod on every node", deadlineMs: 240_000 },
  );
}

/**
 * From the pod of each node to the pod of each other: packets of 1400 bytes, such that must be cut, and a request by address; and from each
 * a request through the service.
 *
 * @param options `nodes`: those that have a pod
 */
export async function everyPairReaches(
  master: TestNode,
  { nodes }: { nodes: readonly TestNode[] },
): Promise<void> {
  const service = (await master.get(`service -n ${NAMESPACE} ${NAME}`)).spec.clusterIP as string;
  for (const node of nodes) {
    const look = async () => {
      // After a power cut the addresses of before stand in the API until the kubelet says the new ones.
      const pods = await readyPods(master, nodes);
      const others = pods.filter((pod) => pod.node !== node.name).map(({ ip }) => ip);
      await reach(node, { others, service });
      return true;
    };
    await waitUntil(look, {
      what: `the pod on ${node.name} to reach all others and the service ${service}`,
      deadlineMs: 240_000,
    });
  }
}

/** The pod of a node: runs programs of this machine on its network, and gives what they write. */
export async function podOf(node: TestNode): Promise<(argv: string[]) => Promise<string>> {
  const pid = Number(
    await node.sh(`docker inspect -f '{{.State.Pid}}' $(docker ps -q --filter name=k8s_POD_${NAME}-)`),
  );
  return (argv) => inNetworkInside({ host: node.name, pid }, argv);
}

/** From one pod to all others. @throws naming what was not reached */
async function reach(
  node: TestNode,
  { others, service }: { others: string[]; service: string },
): Promise<void> {
  const inPod = await podOf(node);
  const ping = (ip: string, bytes: number) =>
    inPod(["ping", "-q", "-c", "1", "-W", "2", "-s", String(bytes), ip]);
  const get = (ip: string) =>
    inPod(["curl", "--fail", "--silent", "--max-time", "3", `http://${ip}:8080/health`]);
  for (const ip of others) {
    await ping(ip, WHOLE);
    await ping(ip, CUT);
    await get(ip);
  }
  for (let turn = 0; turn < 5; turn++) await get(service);
}
