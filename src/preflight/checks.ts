import type { Check } from "./check.ts";
import * as bundle from "./checks/bundle.ts";
import * as docker from "./checks/docker.ts";
import * as kernel from "./checks/kernel.ts";
import * as leftovers from "./checks/leftovers.ts";
import * as machine from "./checks/machine.ts";
import * as network from "./checks/network.ts";
import * as space from "./checks/space.ts";

/** Every check of a host, in the order in which findings are shown. The bundle's files have checks of their own. */
export const checks: readonly Check[] = [
  machine.notRoot,
  machine.systemdMissing,
  machine.clockWrong,
  machine.cpusFew,
  machine.memoryLow,
  machine.swapOn,
  machine.seLinuxEnforcing,
  machine.firewalldActive,
  kernel.cgroupMissing,
  kernel.kernelModuleMissing,
  kernel.sysctlMissing,
  kernel.programMissing,
  kernel.programMissed,
  docker.dockerMissing,
  docker.dockerTooOld,
  docker.daemonJsonInvalid,
  docker.dockerFlags,
  docker.cgroupDriverMismatch,
  docker.storageDriver,
  network.nodeName,
  network.nodeIpMissing,
  network.cidrOverlap,
  network.portInUse,
  leftovers.clusterMismatch,
  leftovers.kubeadmLeftovers,
  leftovers.foreignCluster,
  leftovers.containerNameTaken,
  leftovers.podContainers,
  leftovers.etcdLeftovers,
  leftovers.distroEtcdData,
  space.mountOptions,
  space.spaceLow,
  bundle.bundleNotAtHand,
];
