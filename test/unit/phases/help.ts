import { paths } from "../../../src/paths.ts";
import type { World } from "../../fake/ctx.ts";
import { type FakeNetwork, fakeNetwork } from "../../fake/network.ts";

const CERTS = [
  "ca",
  "apiserver",
  "admin",
  "kube-controller-manager",
  "kube-scheduler",
  "kubelet-client",
  "kubelet-server",
  "kube-proxy",
  "health-check",
  "etcd/ca",
  "etcd/healthcheck-client",
];

const SYSCTLS = [
  "net.ipv4.ip_forward",
  "net.bridge.bridge-nf-call-iptables",
  "net.bridge.bridge-nf-call-ip6tables",
  "net.ipv4.conf.all.route_localnet",
  "vm.overcommit_memory",
  "vm.panic_on_oom",
  "kernel.panic",
  "kernel.panic_on_oops",
  "kernel.keys.root_maxkeys",
  "kernel.keys.root_maxbytes",
];

const DEFAULT_ROUTE =
  "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\n";

/** Brings a world to where every phase can start: files of earlier phases, kernel settings, Docker, images. @returns its network */
export async function furnish({ root, machine, bundle }: World): Promise<FakeNetwork> {
  for (const name of CERTS) {
    for (const kind of ["crt", "key"])
      await root.write(`${paths.certs}/${name}.${kind}`, `${kind} of ${name}`, 0o600);
  }
  for (const name of ["kubelet", "kube-proxy", "kube-controller-manager", "kube-scheduler"]) {
    await root.write(`${paths.kubeconfigs}/${name}.yaml`, `kubeconfig of ${name}`, 0o600);
  }
  for (const name of ["encryption", "audit-policy"])
    await root.write(`${paths.configs}/${name}.yaml`, name, 0o600);
  for (const name of SYSCTLS) await root.write(`/proc/sys/${name.replaceAll(".", "/")}`, "7");
  for (const directory of ["/sys/module/overlay", "/run", "/var/lib", paths.manifests, paths.stateDir]) {
    await root.write(`${directory}/.there`, "");
  }
  await root.write("/proc/net/route", DEFAULT_ROUTE);
  machine.units.set("docker.service", { active: true, enabled: true });
  for (const image of bundle.images) {
    const archive = bundle.content(image).file ?? "";
    machine.docker.archives.set(archive, { imageId: image.imageId, references: [image.reference] });
  }
  return fakeNetwork(machine);
}
