import type { LabHost } from "../lab/host.ts";
import { dockerHost, SIGNED, STACK } from "./hosts.ts";
import { kubeadmInit, must, prepareKubeadm, timed } from "./kubeadm.ts";
import { nodeletInit } from "./nodelet.ts";

/**
 * Loads the images of a lone master, one after the other, for a shell: those that only other configurations need are left out, as init
 * leaves them out.
 *
 * @param from directory of the archives
 */
export function loadAll(from: string, docker = "docker"): string {
  return `for i in ${from}/*.tar; do case $i in */flannel.tar|*/keepalived.tar) continue;; esac; ${docker} load -q -i $i || exit 1; done`;
}

/**
 * Docker with limits for container logs, as the documentation of kubeadm has it set up before `kubeadm init`. Without them
 * nodelet sets its own, and Docker has to start anew: that is measured too.
 */
const LIMITS = { "log-driver": "json-file", "log-opts": { "max-size": "100m" } };

/** Sets Docker up on a host, and loads all images. @returns seconds of loading */
export async function prepareDocker(host: LabHost): Promise<number> {
  const path = "/etc/docker/daemon.json";
  const settings = JSON.parse(await must(host, ["cat", path])) as object;
  await host.exec(["tee", path], { input: JSON.stringify({ ...settings, ...LIMITS }) });
  await must(host, ["systemctl", "restart", "docker"]);
  return await timed(() => must(host, ["sh", "-c", loadAll(`${STACK}/images`)]));
}

/** A node of ours to be hurt. */
export async function healableNode(): Promise<LabHost> {
  const host = await dockerHost("bench-nodelet");
  await nodeletInit(host, ["--bundle", SIGNED]);
  return host;
}

/** A node of the peer to be hurt. */
export async function healablePeer(): Promise<LabHost> {
  const host = await dockerHost("bench-kubeadm");
  await prepareKubeadm(host);
  await prepareDocker(host);
  await kubeadmInit(host);
  return host;
}
