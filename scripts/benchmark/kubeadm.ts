import type { LabHost } from "../lab/host.ts";

const UNIT = `[Unit]
After=docker.service
[Service]
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=/usr/bin/kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS
Restart=always
RestartSec=2
[Install]
WantedBy=multi-user.target
`;

/** kubeadm's configuration for the stack's images; conntrack and the cgroup driver as lab hosts need them. */
const CONFIG = `apiVersion: kubeadm.k8s.io/v1beta2
kind: ClusterConfiguration
kubernetesVersion: v1.20.2
imageRepository: nodelet.local
etcd: {local: {imageTag: 3.4.23-0}}
dns: {type: CoreDNS, imageTag: 1.8.7}
networking: {podSubnet: 10.20.0.0/16}
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
`;

/** Installs the peer as its documentation says: programs, plugins, the unit. None of it counts into its time. */
export async function prepareKubeadm(host: LabHost): Promise<void> {
  const script =
    "cp /srv/stack/bin/* /usr/bin/ && mkdir -p /opt/cni/bin && cp /srv/stack/cni/* /opt/cni/bin/ && sync";
  await must(host, ["sh", "-c", script]);
  await write(host, "/etc/systemd/system/kubelet.service", UNIT);
  await write(host, "/root/kubeadm.yaml", CONFIG);
  await must(host, ["sh", "-c", "systemctl daemon-reload && systemctl enable kubelet"]);
}

/** Runs `kubeadm init` to its end. It stops before a network plugin. @returns seconds */
export async function kubeadmInit(host: LabHost): Promise<number> {
  return await timed(() =>
    must(host, ["kubeadm", "init", "--config", "/root/kubeadm.yaml", "--ignore-preflight-errors=all"]),
  );
}

/** Undoes it. @returns seconds */
export async function kubeadmReset(host: LabHost): Promise<number> {
  return await timed(() => must(host, ["kubeadm", "reset", "--force"]));
}

/** Makes kubeadm's whole PKI in an empty directory. @returns seconds */
export async function kubeadmCerts(host: LabHost): Promise<number> {
  await must(host, ["rm", "-rf", "/tmp/pki"]);
  return await timed(() =>
    must(host, ["kubeadm", "init", "phase", "certs", "all", "--cert-dir", "/tmp/pki"]),
  );
}

/** Runs a program in a host. @throws with its words when it fails */
export async function must(host: LabHost, argv: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await host.exec(argv, { timeoutMs: 300_000 });
  if (exitCode !== 0)
    throw new Error(`"${argv.join(" ")}" on ${host.name} ended with ${exitCode}: ${stderr || stdout}`);
  return stdout;
}

/** Seconds that work takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

async function write(host: LabHost, path: string, text: string): Promise<void> {
  const { exitCode, stderr } = await host.exec(["tee", path], { input: text });
  if (exitCode !== 0) throw new Error(`Cannot write ${path} on ${host.name}: ${stderr}`);
}
