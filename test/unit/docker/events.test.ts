import { describe, expect, test } from "bun:test";
import { createServer, type Socket } from "node:net";
import { type ContainerWatch, watchContainers } from "../../../src/docker/events.ts";
import { tmpRoot } from "../../fake/root.ts";

/** An engine on a socket that says on /events what a test tells it to, byte by byte. */
function eventServer(path: string, options: { status?: string } = {}) {
  const open = new Set<Socket>();
  const requests: string[] = [];
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => open.delete(socket));
    socket.once("data", (data) => {
      requests.push(data.toString().split("\r\n")[0] ?? "");
      const status = options.status ?? "200 OK";
      socket.write(
        `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
      );
      if (options.status) socket.end("4\r\nfull\r\n0\r\n\r\n");
    });
  }).listen(path);
  return {
    open,
    requests,
    /** Sends bytes as one chunk of HTTP each. */
    say(...chunks: (string | Buffer)[]) {
      for (const chunk of chunks.map((one) => Buffer.from(one)))
        for (const socket of open)
          socket.write(
            Buffer.concat([Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from("\r\n")]),
          );
    },
    /** Ends as an engine does that is stopped. */
    stop() {
      for (const socket of open) socket.end("0\r\n\r\n");
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
    /** Ends as an engine does that is killed. */
    kill() {
      for (const socket of open) socket.resetAndDestroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** A watch, and all that it told. */
function watching(socket: string) {
  const told: string[] = [];
  const stop = new AbortController();
  const watch: ContainerWatch = {
    socket,
    signal: stop.signal,
    onEvent: ({ action, name, id, labels }) =>
      told.push([action, name, id, JSON.stringify(labels)].join(" ")),
    onGone: (reason) => told.push(`gone: ${reason.replace(socket, "SOCKET")}`),
    onBack: () => told.push("back"),
  };
  return { told, end: watchContainers(watch), stop };
}

/** Resolves when the condition holds; the deadline of the test ends it otherwise. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(5);
}

const die = (name: string, labels = {}) =>
  `${JSON.stringify({ Type: "container", Action: "die", Actor: { ID: "1", Attributes: { name, ...labels } } })}\n`;

describe("watchContainers()", () => {
  test("asks for what happens to containers only, and tells it with its labels", async () => {
    await using root = await tmpRoot();
    const engine = eventServer(root.place("s"));
    const { told, end, stop } = watching(root.place("s"));
    await until(() => engine.requests.length === 1);
    engine.say(die("etcd", { "nodelet.io/spec": "x", exitCode: "137" }));
    await until(() => told.length === 1);
    expect(told).toEqual(['die etcd 1 {"nodelet.io/spec":"x","exitCode":"137"}']);
    const query = new URL(`http://x${engine.requests[0]?.split(" ")[1]}`).searchParams;
    expect(JSON.parse(query.get("filters") ?? "")).toEqual({
      type: ["container"],
      event: ["die", "destroy", "oom", "pause", "unpause"],
    });
    stop.abort();
    await end;
    await until(() => engine.open.size === 0);
    await engine.stop();
  });

  test("puts lines together whatever chunks they come in, and leaves out what it does not know", async () => {
    await using root = await tmpRoot();
    const engine = eventServer(root.place("s"));
    const { told, end, stop } = watching(root.place("s"));
    await until(() => engine.requests.length === 1);
    const line = Buffer.from(die("zwölf"));
    const inLetter = line.indexOf(0xc3) + 1;
    engine.say(line.subarray(0, inLetter));
    await Bun.sleep(20);
    engine.say(line.subarray(inLetter), "\n", "no json\n", '{"Action":"die"}\n');
    engine.say(die("a").replace('"die"', '"exec_start: sh"'), die("b") + die("c"));
    await until(() => told.length === 3);
    expect(told).toEqual(["die zwölf 1 {}", "die b 1 {}", "die c 1 {}"]);
    stop.abort();
    await end;
    await engine.stop();
  });

  test.each([
    ["stopped", "gone: the stream of events ended"],
    ["killed", "gone: ECONNRESET"],
  ])("an engine that is %s is told once, and its return", async (how, gone) => {
    await using root = await tmpRoot();
    const first = eventServer(root.place("s"));
    const { told, end, stop } = watching(root.place("s"));
    await until(() => first.requests.length === 1);
    first.say(die("a"));
    await until(() => told.length === 1);
    await (how === "stopped" ? first.stop() : first.kill());
    await until(() => told.length === 2);
    // Long enough for the second attempt, which must not be told.
    await Bun.sleep(400);
    const second = eventServer(root.place("s"));
    await until(() => told.length === 3);
    second.say(die("b"));
    await until(() => told.length === 4);
    expect(told).toEqual(["die a 1 {}", gone, "back", "die b 1 {}"]);
    stop.abort();
    await end;
    await second.stop();
  });

  test("an engine that is not there is told once, and the watch ends at once when it is told to", async () => {
    const { told, end, stop } = watching("/nowhere/s");
    await until(() => told.length > 0);
    await Bun.sleep(400);
    expect(told).toEqual(['gone: nobody listens on "SOCKET"']);
    stop.abort();
    await end;
  });

  test("an engine that refuses is gone", async () => {
    await using root = await tmpRoot();
    const engine = eventServer(root.place("s"), { status: "503 Service Unavailable" });
    const { told, end, stop } = watching(root.place("s"));
    await until(() => told.length > 0);
    stop.abort();
    await end;
    expect(told).toEqual(["gone: it says: full"]);
    await engine.stop();
  });

  test("a watch that was ended before it began asks nobody", async () => {
    const stop = new AbortController();
    stop.abort();
    const never = () => expect.unreachable();
    await watchContainers({ signal: stop.signal, onEvent: never, onGone: never, onBack: never });
  });
});
