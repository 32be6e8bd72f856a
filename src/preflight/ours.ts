import { SPEC_LABEL } from "../host/kinds/container.ts";
import type { CheckInput } from "./check.ts";
import type { Listener, ProbedContainer } from "./probe.ts";

/** Our units as they stand in the cgroups of their processes: the kubelet, and the daemon, which lets nodes join. */
const UNITS = ["/pf9-kubelet.service", "/pf9-nodeletd.service"];

/** Names of our processes as the kernel cuts them, at 15 characters. */
const PROCESSES = ["etcd", "kube-proxy", "kube-apiserver", "kube-controller", "kube-scheduler", "haproxy"];

/** True for a container that nodelet made. */
export function isOwnContainer({ labels }: ProbedContainer): boolean {
  return labels[SPEC_LABEL] !== undefined;
}

/** True for a container that a kubelet made; whose kubelet, the container does not say. */
export function isPodContainer({ name }: ProbedContainer): boolean {
  return name.startsWith("k8s_");
}

/** Containers that run and that neither nodelet nor, on an installed node, its kubelet made. */
export function foreignRunning({ facts, installed }: CheckInput): ProbedContainer[] {
  const running = facts.engine?.containers.filter((one) => one.running) ?? [];
  return running.filter((one) => !isOwnContainer(one) && !(installed && isPodContainer(one)));
}

/** True when the process that listens is one that an earlier init started. */
export function isOwnListener(listener: Listener, { facts, installed }: CheckInput): boolean {
  if (!installed) return false;
  if (UNITS.some((unit) => listener.cgroup.includes(unit))) return true;
  if (!PROCESSES.includes(listener.process)) return false;
  // Containers outlive an engine that is down; then there is nobody to ask whose they are.
  if (!facts.engine) return true;
  const own = facts.engine.containers.filter((one) => isOwnContainer(one) || isPodContainer(one));
  return own.some(({ id }) => listener.cgroup.includes(id));
}
