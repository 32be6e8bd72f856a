import type { Ctx } from "../src/ctx.ts";

/** The options of the PKI's functions for the node of a context. */
export function pkiOptions({ config, node, paths }: Pick<Ctx, "config" | "node" | "paths">) {
  return {
    dir: paths.certs,
    role: config.role === "worker" ? ("worker" as const) : ("master" as const),
    params: {
      nodeName: node.name,
      nodeIp: node.ip,
      masterIp: node.masterIp,
      apiServiceIp: node.apiServiceIp,
      clusterDomain: config.clusterDomain,
      externalDnsName: config.externalDnsName,
      extraNames: config.extraSans,
    },
  };
}
