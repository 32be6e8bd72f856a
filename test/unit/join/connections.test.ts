import { describe, expect, test } from "bun:test";
import { once } from "node:events";
import { connect as connectPlain, type Socket } from "node:net";
import { connect } from "node:tls";
import { sendAnswer } from "../../../src/bundle/send-answer.ts";
import { routes } from "../../../src/join/protocol.ts";
import type { BundleHandler } from "../../../src/join/server.ts";
import { HELLO, type Listening, listening } from "./wire-help.ts";

/** Not the address that well-behaved clients of these tests come from. */
const ELSEWHERE = "127.0.0.2";

/** Connections from one address, as long as the test lasts. */
class Crowd implements Disposable {
  readonly sockets: Socket[] = [];
  closed = 0;

  constructor(private readonly l: Listening) {}

  /** One more that says nothing but what is given. */
  add(how: { localAddress?: string; tls?: boolean; say?: string } = {}): Socket {
    const { localAddress = ELSEWHERE, tls = true, say } = how;
    const place = { ...this.l.address, localAddress, rejectUnauthorized: false };
    const socket = tls ? connect(place) : connectPlain(place);
    socket.on("error", () => {});
    socket.on("close", () => this.closed++);
    if (say !== undefined) socket.write(say);
    socket.resume();
    this.sockets.push(socket);
    return socket;
  }

  /** Waits until so many were hung up on; a test that waits in vain fails by its deadline. */
  async untilClosed(count: number): Promise<void> {
    while (this.closed < count) await Bun.sleep(1);
  }

  [Symbol.dispose](): void {
    for (const socket of this.sockets) socket.destroy();
  }
}

/** Waits until one address can have all of its places: a server hears a moment later that somebody has gone. */
async function untilFree(l: Listening): Promise<void> {
  for (let free = false; !free;) {
    using crowd = new Crowd(l);
    for (let at = 0; at < 16; at++) crowd.add();
    free = await Promise.all(crowd.sockets.map((socket) => once(socket, "secureConnect"))).then(
      () => true,
      () => false,
    );
  }
}

const begun = (size: number) =>
  `POST ${routes.hello} HTTP/1.1\r\nhost: m1\r\ncontent-length: ${size}\r\n\r\n{`;

describe("one address that has many connections", () => {
  test.each([
    ["that say nothing", undefined],
    ["with requests that never end", begun(100)],
  ])("%s keeps nobody else out", async (_, say) => {
    await using l = await listening();
    const token = await l.m.token();
    using crowd = new Crowd(l);
    for (let at = 0; at < 160; at++) crowd.add(say === undefined ? {} : { say });
    await crowd.untilClosed(160 - 16);
    expect((await l.client({ token }).hello(HELLO)).role).toBe("worker");
    expect(crowd.closed).toBe(160 - 16);
  });

  test("is counted before its first byte", async () => {
    await using l = await listening();
    using crowd = new Crowd(l);
    for (let at = 0; at < 20; at++) crowd.add({ tls: false });
    await crowd.untilClosed(4);
    expect(await l.authority(await l.m.token())).toBe(l.m.ca);
    expect(crowd.closed).toBe(4);
  });

  test("has its places again when they are free, however they were left", async () => {
    await using l = await listening();
    for (const leave of ["destroy", "end", "resetAndDestroy"] as const) {
      for (const how of [{}, { tls: false }, { tls: false, say: "GET / HTTP/1.1\r\n\r\n" }]) {
        using crowd = new Crowd(l);
        for (let at = 0; at < 4; at++) crowd.add(how);
        await Promise.all(
          crowd.sockets.map((socket) => once(socket, how.tls === false ? "connect" : "secureConnect")),
        );
        for (const socket of crowd.sockets) socket[leave]();
        await crowd.untilClosed(4);
      }
    }
    await untilFree(l);
  });

  test("of all addresses together no more than a certain number are connected", async () => {
    await using l = await listening();
    using crowd = new Crowd(l);
    for (let at = 0; at < 9 * 16; at++) crowd.add({ localAddress: `127.0.1.${1 + (at % 9)}`, tls: false });
    await crowd.untilClosed(16);
    const token = await l.m.token();
    await expect(l.authority(token)).rejects.toThrow("Cannot reach a master at ");
    expect(crowd.closed).toBe(16);
    for (const socket of crowd.sockets) socket.destroy();
    // The server hears a moment later that they have gone.
    while ((await l.authority(token).catch(() => "")) !== l.m.ca);
  });
});

describe("who does not say what they want", () => {
  test.each([
    ["nothing at all", { tls: false }],
    ["half of a TLS hello", { tls: false, say: "\x16\x03\x01\x02\x00\x01" }],
    ["no request", {}],
    ["half of its head", { say: "POST / HT" }],
    ["half of its body", { say: begun(100) }],
  ])("is hung up on after a while: %s", async (_, how) => {
    await using l = await listening({ requestMs: 50 });
    using crowd = new Crowd(l);
    crowd.add(how);
    await crowd.untilClosed(1);
    expect(l.told).toEqual([]);
  });

  test("is hung up on though a byte comes now and then", async () => {
    await using l = await listening({ requestMs: 100 });
    using crowd = new Crowd(l);
    const socket = crowd.add({ say: begun(60_000) });
    const drip = setInterval(() => socket.write(" "), 10);
    await crowd.untilClosed(1);
    clearInterval(drip);
    expect(l.told).toEqual([]);
  });

  test("is no failure of the master when they go in the middle of it", async () => {
    await using l = await listening();
    using crowd = new Crowd(l);
    const socket = crowd.add({ say: begun(100) });
    await once(socket, "secureConnect");
    await l.authority(await l.m.token());
    socket.destroy();
    await crowd.untilClosed(1);
    await l.authority(await l.m.token());
    expect(l.told).toEqual([]);
  });
});

/** A request for the bundle, in the words of HTTP. */
async function bundleRequest({ m }: Listening): Promise<string> {
  const { id, secret } = await m.token();
  return `GET ${routes.bundle} HTTP/1.1\r\nhost: m1\r\nauthorization: Bearer ${id}.${secret}\r\n\r\n`;
}

const behind =
  (gate: Promise<void>): BundleHandler =>
  async (_, response) => {
    await gate;
    response.end("the bundle");
  };

describe("who has asked", () => {
  test("is not hung up on before the answer, and after it as others are", async () => {
    const gate = Promise.withResolvers<void>();
    await using l = await listening({ requestMs: 50, bundle: behind(gate.promise) });
    using crowd = new Crowd(l);
    const asking = crowd.add({ say: await bundleRequest(l) });
    // One that began later has had its time.
    await once(asking, "secureConnect");
    crowd.add({ tls: false });
    await crowd.untilClosed(1);
    const answer = once(asking, "data");
    gate.resolve();
    expect(String(await answer)).toStartWith("HTTP/1.1 200 ");
    await crowd.untilClosed(2);
  });

  test("may ask again on the same connection, in time", async () => {
    await using l = await listening();
    using crowd = new Crowd(l);
    const asking = crowd.add();
    for (let times = 0; times < 5; times++) {
      asking.write(await bundleRequest(l));
      expect(String(await once(asking, "data"))).toStartWith("HTTP/1.1 200 ");
    }
  });

  test("is hung up on when more is asked before there are answers", async () => {
    const gate = Promise.withResolvers<void>();
    await using l = await listening({ bundle: behind(gate.promise) });
    using crowd = new Crowd(l);
    crowd.add({ say: (await bundleRequest(l)).repeat(50) });
    await crowd.untilClosed(1);
    gate.resolve();
    expect(l.bundles.length).toBeLessThanOrEqual(2);
  });
});

describe("a reader of the bundle", () => {
  /** A master with an endless bundle; `ended` is what became of each answer, `open` how many files are. */
  async function serving({ stallMs }: { stallMs: number }) {
    const ended: Promise<boolean>[] = [];
    const file = { open: 0 };
    async function* body() {
      file.open++;
      try {
        for (const piece = new Uint8Array(256 * 2 ** 10); ;) yield piece;
      } finally {
        file.open--;
      }
    }
    const l = await listening({
      requestMs: 50,
      async bundle(_, response) {
        ended.push(sendAnswer(response, { status: 206, headers: {}, body: body() }, { stallMs }));
        await ended[0];
      },
    });
    return { l, ended, file, [Symbol.asyncDispose]: () => l[Symbol.asyncDispose]() };
  }

  test("that takes nothing has its place no longer, and its file is closed", async () => {
    await using t = await serving({ stallMs: 100 });
    using crowd = new Crowd(t.l);
    const socket = crowd.add({ say: await bundleRequest(t.l) });
    await once(socket, "data");
    expect(t.file.open).toBe(1);
    socket.pause();
    expect(await Promise.all(t.ended)).toEqual([false]);
    expect(t.file.open).toBe(0);
    socket.resume();
    await crowd.untilClosed(1);
    expect(t.l.told).toEqual([]);
  });

  test("that goes on reading has it for longer than that", async () => {
    await using t = await serving({ stallMs: 1000 });
    using crowd = new Crowd(t.l);
    const socket = crowd.add({ say: await bundleRequest(t.l) });
    const begun = performance.now();
    while (performance.now() - begun < 1500) await once(socket, "data");
    expect([t.file.open, crowd.closed]).toEqual([1, 0]);
    socket.destroy();
    expect(await Promise.all(t.ended)).toEqual([false]);
    expect(t.file.open).toBe(0);
  });
});
