import { contains, formatCidr, parseAddress, parseCidr } from "../config/net.ts";
import type { Ctx } from "../ctx.ts";
import type { Candidate } from "./admit.ts";
import { JoinRefusal } from "./refusal.ts";
import type { NodeRole } from "./state.ts";

/** Blocks in which no node has its address: this host, loopback, link-local, multicast and reserved. @see RFC 6890 */
const NOWHERE = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"];

/**
 * Refuses names and addresses by which a node would be taken for the API, or for a service: the certificate of its kubelet is for both,
 * from the authority that everybody believes.
 *
 * @throws JoinRefusal naming what it is instead
 */
export function refuseReserved(
  ctx: Pick<Ctx, "config" | "node">,
  { candidate, role }: { candidate: Pick<Candidate, "name" | "ip">; role: NodeRole },
): void {
  const { name, ip } = candidate;
  const isService =
    /^(localhost|kubernetes|kubernetes\.default)$|\.svc$/.test(name) ||
    `.${name}`.endsWith(`.${ctx.config.clusterDomain}`);
  if (isService || namesOfApi(ctx, role).includes(name)) {
    throw new JoinRefusal(
      "NameTaken",
      `The name "${name}" is one of the API of this cluster, or of a service`,
      {
        hint: "give this host another name with --node-name",
      },
    );
  }
  const { servicesCidr, containersCidr } = ctx.config;
  const address = parseAddress(ip);
  const blocks = [...NOWHERE, servicesCidr, containersCidr].flatMap((text) => parseCidr(text) ?? []);
  const block = blocks.find((one) => address && contains(one, address));
  if (!block && !namesOfApi(ctx, role).includes(ip)) return;
  throw new JoinRefusal(
    "AddressTaken",
    block
      ? `The address ${ip} is in ${formatCidr(block)}, where no node has its address`
      : `The address ${ip} is one of the API of this cluster`,
    { hint: "choose an address that this host alone has, with --node-ip" },
  );
}

/** What the API is reached at. A master may have a name of it, and is given the keys of the authorities anyway; the VIP is nobody's. */
function namesOfApi({ config }: Pick<Ctx, "config">, role: NodeRole): (string | undefined)[] {
  const { masterVip, masterIp, externalDnsName, extraSans } = config;
  const ofMasters = role === "worker" ? [masterIp, externalDnsName, ...extraSans] : [];
  return [masterVip, ...ofMasters];
}
