import type { Host } from "../host/host.ts";

/** What programs of the host read, and the kubelet by itself. @see resolv.conf(5) */
export const HOST_RESOLVER = "/etc/resolv.conf";

/** The servers behind systemd-resolved, whose own address only the host reaches. @see systemd-resolved.service(8) */
const BEHIND_RESOLVED = "/run/systemd/resolve/resolv.conf";

/**
 * The file with the name servers for pods that want the host's (`dnsPolicy: Default`).
 *
 * @returns empty when the host has none that a pod could ask. The kubelet then gives pods their own loopback, where nobody
 * answers. It must be told so: without the file it starts no pod, and for one without servers Docker puts in a public one.
 */
export async function podResolver(host: Pick<Host, "read">): Promise<string> {
  for (const path of [HOST_RESOLVER, BEHIND_RESOLVED]) {
    const servers = nameServers((await host.read(path)) ?? "");
    if (servers.some((server) => !isLoopback(server))) return path;
  }
  return "";
}

/** Name servers of the text of a resolv.conf. */
function nameServers(text: string): string[] {
  return [...text.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].map(([, server = ""]) => server);
}

function isLoopback(server: string): boolean {
  return server.startsWith("127.") || server === "::1";
}
