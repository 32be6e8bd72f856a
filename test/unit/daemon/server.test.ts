import { describe, expect, test } from "bun:test";
import { existsSync, lstatSync } from "node:fs";
import { createServer } from "node:net";
import { askDaemon } from "../../../src/daemon/ask.ts";
import { healthOf, serveStatus } from "../../../src/daemon/server.ts";
import type { NodeView, ViewSource } from "../../../src/daemon/view.ts";
import { tmpRoot } from "../../fake/root.ts";
import { check, health, sourceOf, view } from "./view-help.ts";

/** A server on a socket in a temporary root, and who asks it. */
async function setUp(one: NodeView | ViewSource = view()) {
  const root = await tmpRoot();
  const socket = root.place("nodeletd.sock");
  const told: string[] = [];
  const source = "view" in one ? one : sourceOf(one);
  const server = serveStatus({ socket, source, tell: (words) => told.push(words) });
  const ask = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`http://n${path}`, { ...init, unix: socket });
    return { status: response.status, text: await response.text(), headers: response.headers };
  };
  return {
    ask,
    root,
    server,
    socket,
    told,
    async [Symbol.asyncDispose]() {
      server[Symbol.dispose]();
      await root[Symbol.asyncDispose]();
    },
  };
}

/** A port of this machine that is free now, and one that somebody listens on. */
async function portOf(options: { taken: boolean }) {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const close = () => new Promise<void>((resolve) => void server.close(() => resolve()));
  if (!options.taken) await close();
  return { address: `127.0.0.1:${port}`, close };
}

describe("what is answered", () => {
  test("/healthz of a node that is well", async () => {
    await using t = await setUp();
    expect(await t.ask("/healthz")).toMatchObject({ status: 200, text: "ok\n" });
  });

  test("/healthz of a node that is not, with the first check that fails", async () => {
    await using t = await setUp(
      view({
        health: health({ pf9_kube_node_state: "retrying" }),
        checks: [check("a"), check("b", { status: "failed", message: "no\nanswer" }), check("c")],
      }),
    );
    expect(await t.ask("/healthz")).toMatchObject({
      status: 503,
      text: "retrying: Title of b: no answer\n",
    });
  });

  test("/status is the view", async () => {
    const one = view({ task: "attempt 1" });
    await using t = await setUp(one);
    const { status, text, headers } = await t.ask("/status?pretty=1");
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("application/json");
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(one)));
    expect(await askDaemon(t.socket)).toMatchObject({ task: "attempt 1" });
  });

  test("/metrics says what format it has", async () => {
    await using t = await setUp();
    const { status, text, headers } = await t.ask("/metrics");
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(text).toStartWith("# HELP nodelet_node_state ");
  });

  test.each(["/", "/healthz/", "/../etc/passwd", "/metricsx"])("%p is not there", async (path) => {
    await using t = await setUp();
    expect(await t.ask(path)).toMatchObject({
      status: 404,
      text: "There are /healthz, /status and /metrics\n",
    });
  });

  test.each(["POST", "PUT", "DELETE", "PATCH"])("%s is refused", async (method) => {
    await using t = await setUp();
    const { status, headers } = await t.ask("/status", { method });
    expect({ status, allow: headers.get("allow") }).toEqual({ status: 405, allow: "GET, HEAD" });
  });

  test("HEAD has no body, and a request may have none", async () => {
    await using t = await setUp();
    expect(await t.ask("/healthz", { method: "HEAD" })).toMatchObject({ status: 200, text: "" });
    expect((await t.ask("/healthz", { method: "POST", body: "x".repeat(100) })).status).toBe(413);
  });

  test("a view that cannot be made is no answer, and tells nothing of why", async () => {
    const broken = { now: view, view: () => Promise.reject(new Error("private words")) };
    await using t = await setUp(broken);
    expect(await t.ask("/status")).toMatchObject({ status: 500, text: "Cannot answer\n" });
    expect(await askDaemon(t.socket)).toBeUndefined();
    expect((await t.ask("/healthz")).status).toBe(200);
  });
});

describe("healthOf()", () => {
  test("nothing was looked at yet, whatever the document of the last daemon says", () => {
    expect(healthOf(view({ passMs: undefined }))).toEqual({
      ok: false,
      words: "converging: no look at the node has ended yet",
    });
  });

  test.each([
    [{ task: "attempt 2: starting" }, "failed: attempt 2: starting"],
    [{}, "failed: Start etcd"],
  ])("%j", (fields, words) => {
    const document = health({ pf9_kube_node_state: "failed", last_failed_task: "Start etcd" });
    expect(healthOf(view({ ...fields, health: document }))).toEqual({ ok: false, words });
  });

  test("a state that nobody knows a reason for stands alone", () => {
    const document = health({ pf9_kube_node_state: "converging" });
    expect(healthOf(view({ health: document })).words).toBe("converging");
  });
});

describe("the socket", () => {
  test("is its owner's alone, and goes with the server", async () => {
    await using t = await setUp();
    expect(await t.root.mode("nodeletd.sock")).toBe(0o600);
    t.server[Symbol.dispose]();
    expect(existsSync(t.socket)).toBe(false);
    expect(await askDaemon(t.socket)).toBeUndefined();
  });

  test("takes the place of what a daemon that was killed has left", async () => {
    await using root = await tmpRoot();
    const socket = root.place("s.sock");
    const script = `Bun.serve({ unix: ${JSON.stringify(socket)}, fetch: () => new Response() }); process.kill(process.pid, "SIGKILL");`;
    Bun.spawnSync([process.execPath, "-e", script]);
    expect(lstatSync(socket).isSocket()).toBe(true);
    expect(await askDaemon(socket)).toBeUndefined();
    const told: string[] = [];
    using _server = serveStatus({ socket, source: sourceOf(view()), tell: (words) => told.push(words) });
    expect(await askDaemon(socket)).toMatchObject({ version: "1.2.3" });
    expect(told).toEqual([]);
  });

  test("that was removed is there again with the next look", async () => {
    await using t = await setUp();
    await Bun.file(t.socket).delete();
    t.server.follow(undefined);
    expect(await t.ask("/healthz")).toMatchObject({ status: 200 });
    expect(await t.root.mode("nodeletd.sock")).toBe(0o600);
  });

  test("that cannot be made is told once, and tried again", async () => {
    await using root = await tmpRoot();
    const socket = root.place("run/s.sock");
    const told: string[] = [];
    using server = serveStatus({ socket, source: sourceOf(view()), tell: (words) => told.push(words) });
    server.follow(undefined);
    expect(told).toEqual([expect.stringContaining(`cannot answer on ${socket}: `)]);
    await root.write("run/.there", "");
    server.follow(undefined);
    expect(told[1]).toBe(`status is answered on ${socket} now`);
    expect(await askDaemon(socket)).toBeDefined();
  });
});

describe("the address", () => {
  test("is answered on as long as the configuration says so", async () => {
    await using t = await setUp();
    const [one, two] = [await portOf({ taken: false }), await portOf({ taken: false })];
    const state = async (address: string) =>
      (await fetch(`http://${address}/healthz`).catch(() => undefined))?.status;
    t.server.follow(one.address);
    t.server.follow(one.address);
    expect(await state(one.address)).toBe(200);
    t.server.follow(two.address);
    expect([await state(one.address), await state(two.address)]).toEqual([undefined, 200]);
    t.server.follow(undefined);
    expect(await state(two.address)).toBeUndefined();
    expect(await t.ask("/healthz")).toMatchObject({ status: 200 });
    expect(t.told).toEqual([]);
  });

  test("that somebody has is told once with the way out, and taken when it is free", async () => {
    await using t = await setUp();
    const taken = await portOf({ taken: true });
    const port = taken.address.split(":")[1];
    t.server.follow(taken.address);
    t.server.follow(taken.address);
    expect(t.told).toEqual([
      expect.stringMatching(
        new RegExp(
          `^cannot answer on ${taken.address}: .+ \\(pid ${process.pid}\\) listens on port ${port}; stop it, or choose another statusAddress$`,
        ),
      ),
    ]);
    await taken.close();
    t.server.follow(taken.address);
    expect((await fetch(`http://${taken.address}/healthz`)).status).toBe(200);
    expect(t.told[1]).toBe(`status is answered on ${taken.address} now`);
  });

  test("that this host does not have is told with the way out", async () => {
    await using t = await setUp();
    const { address } = await portOf({ taken: false });
    const port = address.split(":")[1];
    t.server.follow(`192.0.2.1:${port}`);
    expect(t.told).toEqual([
      expect.stringMatching(/EADDRNOTAVAIL.*; choose an address of this host as statusAddress$/),
    ]);
  });
});
