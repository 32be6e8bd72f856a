import { createServer, type Server } from "node:net";

/** Listens on ports, so that somebody else can see whether they are reached here. */
export interface Listening extends Disposable {
  /** Those that could be listened on. */
  ports: number[];
}

/** Listens on TCP ports, and hangs up on whoever comes. A port that is taken is left out: that is told by others. */
export async function listenOn(ports: readonly number[]): Promise<Listening> {
  const servers = await Promise.all(ports.map(async (port) => await listen(port)));
  const open = servers.flatMap((server, at) => (server ? [{ server, port: ports[at] as number }] : []));
  return {
    ports: open.map(({ port }) => port),
    [Symbol.dispose]() {
      for (const { server } of open) server.close();
    },
  };
}

async function listen(port: number): Promise<Server | undefined> {
  return await new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", () => resolve(undefined));
    server.listen(port, "0.0.0.0", () => resolve(server));
  });
}
