import type { Ctx } from "../src/ctx.ts";
import { ensureAll } from "../src/host/host.ts";
import type { AnyWanted } from "../src/host/kinds/index.ts";
import { podMtu } from "../src/network/mtu.ts";
import { networkPlugin } from "../src/network/plugins.ts";
import type { Phase } from "../src/runner/phase.ts";

/** First by name, so that the kubelet takes it before anything that lies there. */
const CONFLIST = "00-pf9-bridge.conflist";

/** The network plugin's programs and its configuration. */
export const cniConfigure: Phase = {
  id: "065-cni-configure",
  title: "Configure CNI plugin",
  roles: ["master", "worker"],
  needs: [],
  start: async (ctx) => ensureAll(ctx.host, wanted(ctx, { mtu: await podMtu(ctx) })),
  stop: ({ host, paths }) => host.ensure({ kind: "absent", path: `${paths.cniConfDir}/${CONFLIST}` }),
};

function wanted(ctx: Ctx, { mtu }: { mtu: number | undefined }): AnyWanted[] {
  const { paths, bundle } = ctx;
  const plugins = bundle.binaries.filter((entry) => entry.kind === "cni");
  const directories: AnyWanted[] = [
    { kind: "dir", path: paths.cniBinDir, mode: 0o755 },
    { kind: "dir", path: paths.cniConfDir, mode: 0o700 },
  ];
  const programs = plugins.map((entry): AnyWanted => installed(ctx, { entry, dir: paths.cniBinDir }));
  // Another plugin is the operator's business: the kubelet waits for its configuration.
  const path = `${paths.cniConfDir}/${CONFLIST}`;
  if (!networkPlugin(ctx.config).ownBridge) return [...directories, ...programs, { kind: "absent", path }];
  const conflist: AnyWanted = {
    kind: "file",
    path,
    content: `${JSON.stringify(bridgeConflist(ctx, { mtu }), null, 2)}\n`,
    mode: 0o600,
  };
  return [...directories, ...programs, conflist];
}

/** A program of the bundle at its place on the host. */
export function installed(
  ctx: Ctx,
  program: { entry: Ctx["bundle"]["binaries"][number]; dir: string },
): AnyWanted {
  const { entry, dir } = program;
  const { sha256, size } = entry;
  return {
    kind: "copy",
    path: `${dir}/${entry.name}`,
    source: () => ctx.bundle.content(entry),
    sha256,
    size,
    mode: 0o755,
  };
}

/**
 * Pods on a bridge of the host, addresses from the node's block. `portmap` does host ports. What lets their packets through, and
 * gives those that leave the cluster the host's address, is in chains of nodelet's own.
 *
 * @param options `mtu` of the pods' interfaces, in bytes; the plugin's own when undefined
 */
export function bridgeConflist({ node }: Pick<Ctx, "node">, { mtu }: { mtu: number | undefined }) {
  return {
    cniVersion: "0.4.0",
    name: "pf9-bridge",
    plugins: [
      {
        type: "bridge",
        bridge: "cni0",
        isDefaultGateway: true,
        hairpinMode: true,
        ...(mtu && { mtu }),
        ipam: { type: "host-local", ranges: [[{ subnet: node.podCidr }]], dataDir: "/var/lib/cni/networks" },
      },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  };
}
