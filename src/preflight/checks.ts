import type { Check } from "./check.ts";
import * as bundle from "./checks/bundle.ts";
import * as disk from "./checks/disk.ts";
import * as docker from "./checks/docker.ts";
import * as firewall from "./checks/firewall.ts";
import * as interfaces from "./checks/interfaces.ts";
import * as kernel from "./checks/kernel.ts";
import * as leftovers from "./checks/leftovers.ts";
import * as machine from "./checks/machine.ts";
import * as mounts from "./checks/mounts.ts";
import * as names from "./checks/names.ts";
import * as network from "./checks/network.ts";
import * as nft from "./checks/nft.ts";
import * as platform from "./checks/platform.ts";
import * as runtimes from "./checks/runtimes.ts";
import * as settings from "./checks/settings.ts";
import * as space from "./checks/space.ts";
import * as vip from "./checks/vip.ts";

/** Every check of a host, in the order in which findings are shown. The bundle's files have checks of their own. */
export const checks: readonly Check[] = [
  machine.notRoot,
  platform.architecture,
  machine.systemdMissing,
  machine.clockWrong,
  settings.timeNotSynced,
  settings.machineId,
  machine.cpusFew,
  machine.memoryLow,
  machine.swapOn,
  machine.seLinuxEnforcing,
  settings.fapolicydActive,
  platform.kernelTooOld,
  kernel.cgroupMissing,
  platform.cgroupVersion,
  kernel.kernelModuleMissing,
  kernel.sysctlMissing,
  settings.inotifyLow,
  settings.openFilesLow,
  kernel.programMissing,
  kernel.programMissed,
  docker.dockerMissing,
  docker.engineTwice,
  runtimes.dockerSnap,
  docker.dockerTooOld,
  docker.daemonJsonInvalid,
  docker.dockerFlags,
  docker.cgroupDriverMismatch,
  docker.storageDriver,
  network.nodeName,
  names.hostnameUnresolved,
  network.nodeIpMissing,
  interfaces.masterIpConflict,
  vip.vipInterfaceMissing,
  vip.vipInUse,
  network.cidrOverlap,
  interfaces.bridgeConflict,
  interfaces.networkLeftovers,
  interfaces.mtuSmall,
  network.portInUse,
  machine.firewalldActive,
  firewall.firewallRules,
  nft.nftRules,
  firewall.endpointAgent,
  names.networkManager,
  names.nmCloudSetup,
  settings.proxyForAll,
  leftovers.clusterMismatch,
  leftovers.kubeadmLeftovers,
  leftovers.foreignCluster,
  leftovers.containerNameTaken,
  leftovers.podContainers,
  runtimes.foreignPods,
  runtimes.crioActive,
  runtimes.clusterLeftovers,
  runtimes.kubeletLeftovers,
  leftovers.etcdLeftovers,
  leftovers.distroEtcdData,
  mounts.mountOptions,
  mounts.mountLimits,
  mounts.notWritable,
  mounts.dataFileSystem,
  space.spaceLow,
  space.storageChecklist,
  space.diskFull,
  space.diskUsage,
  disk.diskSlow,
  bundle.bundleNotAtHand,
];
