import { BARE_NETWORK } from "../../scripts/lab/constants.ts";
import { inNetworkOf } from "../../scripts/lab/host.ts";
import type { TestNode } from "./harness.ts";

/** Ports of registries: plain, TLS, and the one of Docker's own image of a registry. */
const REGISTRY_PORTS = [80, 443, 5000];
const DNS_PORT = 53;

/** A world outside of a bare host that would answer, on this machine's address in the network of bare hosts. */
export interface Outside extends AsyncDisposable {
  /** Who asked for what, and forgets it: `udp 53 nodelet.local`, `tcp 443`. */
  taken(): string[];
}

/**
 * Opens a name server that knows every name as this machine, and a listener on the ports of registries; both write down what
 * a host asks. Other addresses of this machine are not listened on.
 *
 * @param node whose questions are written down
 */
export async function openOutside({ ip }: Pick<TestNode, "ip">): Promise<Outside> {
  let asked: string[] = [];
  const note = (from: string, what: string) => {
    if (from === ip) asked.push(what);
  };
  const hostname = BARE_NETWORK.gateway;
  const names = await Bun.udpSocket({
    hostname,
    port: DNS_PORT,
    socket: {
      data(socket, query, port, from) {
        note(from, `udp ${DNS_PORT} ${nameIn(query)}`);
        socket.send(answerTo(query, hostname), port, from);
      },
    },
  });
  const listeners = [DNS_PORT, ...REGISTRY_PORTS].map((port) =>
    Bun.listen({
      hostname,
      port,
      socket: {
        open: (socket) => note(socket.remoteAddress, `tcp ${port}`),
        data: (socket) => void socket.end(),
      },
    }),
  );
  return {
    taken() {
      const taken = asked;
      asked = [];
      return taken;
    },
    async [Symbol.asyncDispose]() {
      names.close();
      for (const listener of listeners) listener.stop(true);
    },
  };
}

/** Gives a bare host a default route to this machine, and this machine as its name server; until the end of the scope. */
export async function openWay(node: TestNode): Promise<AsyncDisposable> {
  const file = "/dev/shm/resolv.conf";
  await node.sh(
    `echo nameserver ${BARE_NETWORK.gateway} >${file} && mount --bind ${file} /etc/resolv.conf && rm ${file}`,
  );
  await inNetworkOf(node.name, ["ip", "route", "add", "default", "via", BARE_NETWORK.gateway]);
  return {
    async [Symbol.asyncDispose]() {
      await inNetworkOf(node.name, ["ip", "route", "del", "default"]);
      await node.sh("umount /etc/resolv.conf");
    },
  };
}

/** The labels of the first question. @see RFC 1035, 4.1.2 */
function nameIn(query: Buffer): string {
  const labels: string[] = [];
  for (let at = 12, size = query[at] ?? 0; size > 0; at += size + 1, size = query[at] ?? 0)
    labels.push(query.subarray(at + 1, at + 1 + size).toString("latin1"));
  return labels.join(".");
}

/** The question with one record of type A behind it, whatever was asked. */
function answerTo(query: Buffer, address: string): Buffer {
  const head = Buffer.from(query.subarray(0, 12));
  head.writeUInt16BE(0x8180, 2);
  head.writeUInt16BE(1, 6);
  head.fill(0, 8);
  const end = query.indexOf(0, 12) + 5;
  const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split(".").map(Number)];
  return Buffer.concat([head, query.subarray(12, end), Buffer.from(record)]);
}
