import { connect } from "node:net";

/** Somebody who is there accepts in milliseconds; one who is far or busy may take this long, in milliseconds. */
const TIMEOUT_MS = 2000;
/** The same when several are tried on behalf of somebody who waits, in milliseconds. */
const REACH_MS = 1500;

/** An address to connect to. */
export interface TcpAddress {
  host: string;
  port: number;
}

/** True when somebody accepts TCP connections there; silence is a no. Never throws. */
export async function accepts({
  host,
  port,
  timeoutMs = TIMEOUT_MS,
}: TcpAddress & { timeoutMs?: number }): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (accepted: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(accepted);
    };
    const timer = setTimeout(() => end(false), timeoutMs);
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}

/** Those of the ports that accept connections, all tried at once. */
export async function reachable(host: string, ports: readonly number[]): Promise<number[]> {
  const found = await Promise.all(
    ports.map(async (port) => ((await accepts({ host, port, timeoutMs: REACH_MS })) ? [port] : [])),
  );
  return found.flat();
}
