/** The longest that somebody on this host may take to accept a connection, in milliseconds. */
const TIMEOUT_MS = 2000;

/** True when somebody accepts TCP connections on this port of loopback. Never throws. */
export async function accepts(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), TIMEOUT_MS);
  const connection = Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: { data() {}, open: () => resolve(true), connectError: () => resolve(false) },
  });
  connection.catch(() => resolve(false));
  const found = await promise;
  clearTimeout(timer);
  connection.then((socket) => socket.end()).catch(() => {});
  return found;
}
