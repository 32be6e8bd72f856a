import { cniPlugins } from "./cni.ts";
import { coredns } from "./coredns.ts";
import { etcd } from "./etcd.ts";
import { flannel } from "./flannel.ts";
import { kubeProxy } from "./kube-proxy.ts";
import { controlPlane, hostPrograms } from "./kubernetes-images.ts";
import { haproxy, keepalived } from "./balancing.ts";
import { pause } from "./pause.ts";
import { SUITE } from "./pins.ts";
import { runtime } from "./runtime.ts";
import type { Source } from "./source.ts";

/** Everything from the packages and source packages of Debian, built on this machine. */
export const debianSource: Source = {
  describe: () => `Debian ${SUITE} packages and sources, built here`,
  // What is quick and can fail for want of a mirror comes before what takes minutes.
  recipes: () => [
    pause,
    cniPlugins,
    etcd,
    haproxy,
    keepalived,
    runtime,
    hostPrograms,
    controlPlane,
    kubeProxy,
    coredns,
    flannel,
  ],
};
