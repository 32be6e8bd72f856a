import { expect, test } from "bun:test";
import { connect } from "node:net";
import { listenOn } from "../../../src/join/listen.ts";
import { accepts, reachable } from "../../../src/host/port.ts";

const IP = "127.0.0.1";

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  using server = Bun.listen({ hostname: IP, port: 0, socket: { data() {} } });
  return server.port;
}

test("ports that are listened on are reached, others are not", async () => {
  const [open, closed] = [await freePort(), await freePort()];
  using listening = await listenOn([open]);
  expect(listening.ports).toEqual([open]);
  expect(await reachable(IP, [closed, open])).toEqual([open]);
  expect(await reachable(IP, [])).toEqual([]);
});

test("a port that is taken is left out, and stays whose it is", async () => {
  const port = await freePort();
  using _ = Bun.listen({ hostname: "0.0.0.0", port, socket: { data() {} } });
  using listening = await listenOn([port]);
  expect(listening.ports).toEqual([]);
});

test("afterwards nobody listens any more", async () => {
  const port = await freePort();
  {
    using _ = await listenOn([port]);
    expect(await accepts({ host: IP, port })).toBe(true);
  }
  expect(await accepts({ host: IP, port })).toBe(false);
});

test("who comes to such a port is hung up on", async () => {
  const port = await freePort();
  using _ = await listenOn([port]);
  const ended = new Promise<string>((resolve) => {
    const socket = connect({ host: IP, port });
    socket.once("close", () => resolve("hung up"));
    socket.once("error", () => {});
  });
  expect(await ended).toBe("hung up");
});
