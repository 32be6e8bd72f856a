import { readFile } from "node:fs/promises";
import { codeOf } from "../errors.ts";

/** A host of the same network answers much sooner. Milliseconds. */
const ANSWER_MS = 1000;

/**
 * True when somebody has an address of the same network. A refusal is an answer too: only somebody who has the address can refuse. The runtime calls it a refusal as well when nobody has
 * it; then nobody has told the kernel a hardware address either.
 */
export async function isAnswered(hostname: string, port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<"open" | "refused" | "silent">();
  const timer = setTimeout(() => resolve("silent"), ANSWER_MS);
  const refused = (error: Error) => resolve(codeOf(error) === "ECONNREFUSED" ? "refused" : "silent");
  const connection = Bun.connect({
    hostname,
    port,
    socket: { data() {}, open: () => resolve("open"), connectError: (_socket, error) => refused(error) },
  });
  connection.catch(refused);
  const found = await promise;
  clearTimeout(timer);
  connection.then((socket) => socket.end()).catch(() => {});
  if (found !== "refused") return found === "open";
  return isNeighbour(await readFile("/proc/net/arp", "utf8").catch(() => ""), hostname);
}

/** True when somebody in the same network has said that the address is theirs. @param arp text of /proc/net/arp, see proc(5) */
export function isNeighbour(arp: string, address: string): boolean {
  const fields = arp.split("\n").map((line) => line.split(/\s+/));
  // ATF_COM of <net/if_arp.h>: the entry is complete.
  return fields.some(([ip, , flags = "0x0"]) => ip === address && (Number(flags) & 0x2) !== 0);
}
