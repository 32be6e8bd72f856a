import { connect } from "node:net";

/** How long a connection may take to come about in a cluster's own network, in milliseconds. */
const CONNECT_MS = 1500;

/** True when somebody accepts TCP connections there. Never throws. */
export async function accepts({ ip, port }: { ip: string; port: number }): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host: ip, port });
    const end = (accepted: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(accepted);
    };
    const timer = setTimeout(() => end(false), CONNECT_MS);
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}

/** Those of the ports that accept connections, all tried at once. */
export async function reachable(ip: string, ports: readonly number[]): Promise<number[]> {
  const found = await Promise.all(ports.map(async (port) => ((await accepts({ ip, port })) ? [port] : [])));
  return found.flat();
}
