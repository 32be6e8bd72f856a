import { dirname, join } from "node:path";
import { APPLIANCE, BUNDLE } from "../appliance.ts";
import { type LabHost, startHost } from "../lab/host.ts";

const top = join(import.meta.dir, "../..");

/** Where the stack is on a host with Docker, for the peer. */
export const STACK = "/srv/stack";

/** Where the signed bundle is on a host with Docker. */
export const SIGNED = "/srv/appliance/nodelet.bundle";

/** The same after a power cut. */
const ADDRESSES = {
  "bench-kubeadm": "10.88.0.171",
  "bench-nodelet": "10.88.0.172",
  "bench-kubeadm-worker": "10.88.0.173",
  "bench-worker": "10.88.0.174",
  "bench-master": "10.88.0.175",
} as const;
const BARE_ADDRESSES = {
  "bench-bare": "10.89.0.171",
  "bench-raw": "10.89.0.172",
  "bench-joiner": "10.89.0.173",
} as const;

/** A fresh lab host with Docker, stack and bundle at hand and the program installed. The caller removes it. */
export async function dockerHost(name: keyof typeof ADDRESSES): Promise<LabHost> {
  const host = await startHost({
    name,
    ip: ADDRESSES[name],
    shares: [
      { source: join(top, "dist/stack"), target: STACK },
      { source: dirname(BUNDLE), target: dirname(SIGNED) },
    ],
  });
  await host.copyIn(join(top, "dist/nodelet"), "/usr/local/bin/nodelet");
  return host;
}

/** A fresh bare lab host with nothing on it. The caller removes it. */
export async function bareHost(name: keyof typeof BARE_ADDRESSES): Promise<LabHost> {
  return await startHost({ name, ip: BARE_ADDRESSES[name], bare: true });
}

/** Copies the program without anything behind it to where every command of the host finds it. */
export async function copyProgram(host: LabHost): Promise<void> {
  await host.copyIn(join(top, "dist/nodelet"), "/usr/local/bin/nodelet");
}

/** Copies the one file to where every command of the host finds it. */
export async function copyAppliance(host: LabHost): Promise<void> {
  await host.copyIn(APPLIANCE, "/usr/local/bin/nodelet");
}
