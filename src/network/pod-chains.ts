import type { Ctx } from "../ctx.ts";
import type { AnyWanted } from "../host/kinds/index.ts";
import { TUNNEL_PORT } from "./pod-routes.ts";

/** What the names of our chains begin with. */
export const CHAIN_PREFIX = "PF9-";

/** Nobody answers a group of hosts, so their packets must keep their source (RFC 5771). */
const MULTICAST = "224.0.0.0/4";

/**
 * The chains of the pod network. Packets of pods pass where Docker or the site drops what is forwarded, also those that come from
 * another node. What leaves the pod network gets the host's address, since nobody out there knows the way back; between pods
 * the source is kept.
 */
export function podChains({ config, node }: Pick<Ctx, "config" | "node">): AnyWanted[] {
  const { containersCidr } = config;
  return [
    {
      kind: "chain",
      table: "filter",
      name: `${CHAIN_PREFIX}FORWARD`,
      from: "FORWARD",
      rules: [`-s ${containersCidr} -j ACCEPT`, `-d ${containersCidr} -j ACCEPT`],
    },
    {
      kind: "chain",
      table: "nat",
      name: `${CHAIN_PREFIX}POSTROUTING`,
      from: "POSTROUTING",
      match: `-s ${node.podCidr}`,
      rules: [`-d ${containersCidr} -j RETURN`, `-d ${MULTICAST} -j RETURN`, "-j MASQUERADE"],
    },
  ];
}

/**
 * The chain that lets packets of the tunnel in from the nodes that are reached through it, whatever else the host drops, and from
 * nobody else: whoever may send into the tunnel can write any address of a pod into its packets.
 *
 * @param peers addresses of those nodes; without any there is no chain
 */
export function tunnelChain(peers: readonly string[]): AnyWanted {
  const accepts = peers.toSorted().map((ip) => `-s ${ip}/32 -j ACCEPT`);
  return {
    kind: "chain",
    table: "filter",
    name: `${CHAIN_PREFIX}INPUT`,
    from: "INPUT",
    match: `-p udp -m udp --dport ${TUNNEL_PORT}`,
    ...(peers.length > 0 && { rules: [...accepts, "-j DROP"] }),
  };
}
