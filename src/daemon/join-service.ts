import { bundleDigest } from "../bundle/index-text.ts";
import type { Ctx } from "../ctx.ts";
import { messageOf } from "../errors.ts";
import { type BundleHandler, type JoinServer, serveJoin } from "../join/server.ts";
import { silentVoters } from "../etcd/voters.ts";
import { JoinService } from "../join/service.ts";
import { joinSigner } from "./signer.ts";

/** What the join service of a daemon is made of. */
export interface JoinParts {
  version: string;
  bundle: BundleHandler;
  /** Told of what was done and what went wrong, for the log. */
  note: (words: string) => void;
  /** Told once of trouble, and when it is over. */
  tell: (words: string) => void;
}

/** The join service of a master, as long as the node is one. */
export class MasterJoin implements Disposable {
  readonly #parts: JoinParts;
  readonly #service: JoinService;
  #ctx: Ctx | undefined;
  #server: JoinServer | undefined;
  /** What the server was made from. */
  #made = "";
  #told = "";
  #following: Promise<void> = Promise.resolve();

  constructor(parts: JoinParts) {
    this.#parts = parts;
    this.#service = new JoinService({
      ctx: () => this.#ctx,
      signer: joinSigner,
      version: parts.version,
      note: parts.note,
      silentVoters,
      bundle: async () => (this.#ctx ? bundleDigest(this.#ctx.bundle) : ""),
    });
  }

  /** Listens as the node is now: on another port, with another certificate, or not at all. Never rejects. */
  follow(ctx: Ctx): Promise<void> {
    this.#ctx = ctx;
    this.#following = this.#following
      .then(() => this.#follow(ctx))
      .catch((error: unknown) => this.#say(messageOf(error)));
    return this.#following;
  }

  async #follow(ctx: Ctx): Promise<void> {
    if (ctx.config.role !== "master") return this.#drop();
    const read = (name: string) => ctx.host.read(`${ctx.paths.certs}/${name}`);
    const [cert, key, ca] = await Promise.all([
      read("join-server.crt"),
      read("join-server.key"),
      read("ca.crt"),
    ]);
    // A node whose phases have not made them yet; they are looked for again with the next look at the node.
    if (cert === undefined || key === undefined || ca === undefined) return this.#drop();
    const port = ctx.config.joinPort;
    const made = `${port}\n${cert}\n${ca}`;
    if (made === this.#made) return;
    this.#drop();
    this.#server = await serveJoin({
      address: { host: "0.0.0.0", port },
      tls: { cert, key, ca },
      service: this.#service,
      bundle: this.#parts.bundle,
      now: () => ctx.clock.monotonic(),
      tell: this.#parts.note,
    });
    this.#made = made;
    this.#say("");
  }

  /** Trouble that goes on is told once. */
  #say(words: string): void {
    if (words !== this.#told)
      this.#parts.tell(words === "" ? "nodes can join again" : `nodes cannot join: ${words}`);
    this.#told = words;
  }

  #drop(): void {
    this.#server?.stop();
    this.#server = undefined;
    this.#made = "";
  }

  [Symbol.dispose](): void {
    this.#drop();
  }
}
