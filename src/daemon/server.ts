import { lstatSync, rmSync } from "node:fs";
import { messageOf } from "../errors.ts";
import { findListeners } from "../preflight/listeners.ts";
import { EXPOSITION_TYPE } from "./exposition.ts";
import { isFailing } from "./pass.ts";
import { processFacts, renderMetrics } from "./metrics.ts";
import type { NodeNow, ViewSource } from "./view.ts";

/** Who says nothing for this long is hung up on, in seconds. */
const IDLE_S = 10;

/** What is served, where, and who is told of trouble with it. */
export interface ServeOptions {
  /** Where the socket is made; what lies there is removed, so only one daemon may run. */
  socket: string;
  source: ViewSource;
  /** Told once when something cannot be listened on, and when it can be again. */
  tell: (words: string) => void;
}

/** Answers `/healthz`, `/status` and `/metrics` until it is disposed of. */
export interface StatusServer extends Disposable {
  /**
   * Listens on the socket, and on this address as well; on what could not be listened on before it is tried again.
   *
   * @param address IPv4 address and port; undefined: the socket alone
   */
  follow(address: string | undefined): void;
}

/** Serves the state of the node on a unix socket that is root's alone. Never throws: nobody's health depends on being told. */
export function serveStatus({ socket, source, tell }: ServeOptions): StatusServer {
  const answering = { fetch: answerWith(source), error: () => plain("Cannot answer\n", 500) };
  const local = new Listener({ tell, listen: (path) => listenOnSocket(path, answering) });
  const remote = new Listener({ tell, listen: (address) => listenOnAddress(address, answering) });
  local.follow(socket);
  return {
    follow(address) {
      if (inodeOf(socket) !== local.mark) local.drop();
      local.follow(socket);
      remote.follow(address);
    },
    [Symbol.dispose]() {
      local.drop();
      remote.drop();
    },
  };
}

/** What answers a request; the same on the socket and on the address. */
interface Answering {
  fetch: (request: Request) => Promise<Response>;
  error: () => Response;
}

/** A server that runs, and what tells it apart from another one in its place. */
interface Running {
  server: { stop(closeActive: boolean): unknown };
  mark?: bigint | undefined;
}

/** Listens in one place at a time. */
class Listener {
  readonly #tell: (words: string) => void;
  readonly #listen: (place: string) => Running;
  #place: string | undefined;
  #running: Running | undefined;
  #told = "";

  constructor(options: { tell: (words: string) => void; listen: (place: string) => Running }) {
    this.#tell = options.tell;
    this.#listen = options.listen;
  }

  get mark(): bigint | undefined {
    return this.#running?.mark;
  }

  follow(place: string | undefined): void {
    if (place !== this.#place) this.drop();
    if (place === undefined) this.#told = "";
    if (place === undefined || this.#running) return;
    try {
      this.#running = this.#listen(place);
      this.#place = place;
      if (this.#told) this.#tell(`status is answered on ${place} now`);
      this.#told = "";
    } catch (error) {
      const words = `cannot answer on ${place}: ${messageOf(error)}`;
      if (words !== this.#told) this.#tell(words);
      this.#told = words;
    }
  }

  drop(): void {
    void this.#running?.server.stop(true);
    this.#running = undefined;
    this.#place = undefined;
  }
}

/** Requests are only for looking, so they have no body. */
const LIMITS = { maxRequestBodySize: 1, development: false } as const;

function listenOnSocket(path: string, answering: Answering): Running {
  // A daemon that was killed leaves its socket; who calls this holds the daemon's lock.
  rmSync(path, { force: true });
  // From its first moment on, nobody else may connect.
  const before = process.umask(0o177);
  try {
    return { server: Bun.serve({ ...LIMITS, ...answering, unix: path }), mark: inodeOf(path) };
  } finally {
    process.umask(before);
  }
}

function listenOnAddress(address: string, answering: Answering): Running {
  const [hostname = "", port = ""] = address.split(":");
  try {
    return {
      server: Bun.serve({ ...LIMITS, ...answering, idleTimeout: IDLE_S, hostname, port: Number(port) }),
    };
  } catch (error) {
    const holder = findListeners([Number(port)], { proc: "/proc" })[0];
    if (!holder) throw new Error(`${messageOf(error)}; choose an address of this host as statusAddress`);
    const who = holder.pid === undefined ? "another process" : `${holder.process} (pid ${holder.pid})`;
    throw new Error(`${who} listens on port ${port}; stop it, or choose another statusAddress`);
  }
}

function inodeOf(path: string): bigint | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

/** Answers requests from a source. */
export function answerWith(source: ViewSource): (request: Request) => Promise<Response> {
  return async ({ method, url }) => {
    const { pathname } = new URL(url);
    if (method !== "GET" && method !== "HEAD")
      return plain("Only GET and HEAD are answered\n", 405, { allow: "GET, HEAD" });
    switch (pathname) {
      case "/healthz": {
        const { ok, words } = healthOf(source.now());
        return plain(`${words}\n`, ok ? 200 : 503);
      }
      case "/status":
        return plain(`${JSON.stringify(await source.view(), null, 1)}\n`, 200, {
          "content-type": "application/json",
        });
      case "/metrics":
        return plain(renderMetrics(await source.view(), processFacts()), 200, {
          "content-type": EXPOSITION_TYPE,
        });
      default:
        return plain("There are /healthz, /status and /metrics\n", 404);
    }
  };
}

/** The node in one line. @returns `ok` when its state is; else the state and the first check that fails */
export function healthOf(now: NodeNow): { ok: boolean; words: string } {
  const state = now.health.pf9_kube_node_state;
  if (now.passMs === undefined) return { ok: false, words: "converging: no look at the node has ended yet" };
  if (state === "ok") return { ok: true, words: "ok" };
  const failing = now.checks.find(isFailing);
  const why = failing ? `${failing.title}: ${failing.message}` : now.task || now.health.last_failed_task;
  return { ok: false, words: `${state}: ${why}`.replace(/\s+/g, " ").replace(/: $/, "") };
}

function plain(text: string, status: number, headers: Record<string, string> = {}): Response {
  return new Response(text, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store", ...headers },
  });
}
