import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Connections from one address. A joiner has about three at the same time, and several may come from behind one address. */
const EACH = 16;

/** Connections from all addresses together: it takes many of them to keep the others out. */
const ALL = 128;

/**
 * Requests on one connection that are not answered yet. Nobody has a use for two; but the next one may be here before it is known that the
 * last answer has gone.
 */
const UNANSWERED = 2;

/** A connection, and what is under way on it. */
interface Open {
  from: string;
  unanswered: number;
  /** Requests that have come to their end, and wait for their answers. */
  waiting: number;
  timer: Timer;
}

/**
 * Who is connected to a server: so many from each address, so many in all, and none that does not say what it wants. Everybody else is
 * hung up on, from the accepted connection on: whoever says nothing has a place too.
 */
export class Connections {
  readonly #open = new Map<Socket, Open>();
  readonly #requestMs: number;

  /** @param options `requestMs`: milliseconds from the connection, or the last answer, to the end of a request */
  constructor(options: { requestMs: number }) {
    this.#requestMs = options.requestMs;
  }

  /** Gives an accepted connection a place, or hangs up on it when there is none. */
  admit(socket: Socket): void {
    // Whatever breaks a connection closes it, and is of no interest beyond that.
    socket.on("error", () => {});
    const from = socket.remoteAddress ?? "";
    const same = [...this.#open.values()].filter((one) => one.from === from);
    if (same.length >= EACH || this.#open.size >= ALL) return void socket.destroy();
    this.#open.set(socket, { from, unanswered: 0, waiting: 0, timer: this.#deadline(socket) });
    socket.once("close", () => {
      clearTimeout(this.#open.get(socket)?.timer);
      this.#open.delete(socket);
    });
  }

  /**
   * A request has begun. Hangs up on who asks on and on without waiting for answers.
   *
   * @returns to be called when all of the request is here: its answer has the time that it needs; undefined when it is not to be answered
   */
  begin({ socket }: IncomingMessage, response: ServerResponse): (() => void) | undefined {
    const open = this.#open.get(socket);
    if (!open || open.unanswered >= UNANSWERED) return void socket.destroy();
    open.unanswered++;
    let whole = false;
    response.once("close", () => {
      open.unanswered--;
      if (whole) open.waiting--;
      if (open.waiting > 0 || !this.#open.has(socket)) return;
      clearTimeout(open.timer);
      open.timer = this.#deadline(socket);
    });
    return () => {
      whole = true;
      open.waiting++;
      clearTimeout(open.timer);
    };
  }

  /** Hangs up on everybody. */
  closeAll(): void {
    for (const socket of this.#open.keys()) socket.destroy();
  }

  #deadline(socket: Socket): Timer {
    return setTimeout(() => socket.destroy(), this.#requestMs);
  }
}
