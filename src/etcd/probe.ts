import type { TcpAddress } from "../host/port.ts";
import type { EtcdClient, Member } from "./client.ts";

/** True when somebody accepts a connection there. */
export type Accepts = (address: TcpAddress) => Promise<boolean>;

/**
 * Looks for any sign of life of a member: an answer at its client URLs, an open port at its peer URLs, or a connection that
 * another member has with it, for this node may be the one that is cut off.
 *
 * @returns the URL where there is one, or undefined for a member that is down
 */
export async function signOfLife(
  member: Pick<Member, "id" | "peerUrls" | "clientUrls">,
  { etcd, accepts: look }: { etcd: EtcdClient; accepts: Accepts },
): Promise<string | undefined> {
  const clients = member.clientUrls.map(async (url) => ((await etcd.status(url)) ? url : undefined));
  const peers = member.peerUrls.map(async (url) => {
    const { hostname: host, port } = new URL(url);
    return (await look({ host, port: Number(port) })) ? url : undefined;
  });
  const others = etcd.connectedWith(member.id).then((by) => by && (member.peerUrls[0] ?? by));
  return (await Promise.all([...clients, ...peers, others])).find((url) => url !== undefined);
}
