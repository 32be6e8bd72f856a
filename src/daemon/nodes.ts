import { readFileSync } from "node:fs";
import type { Clock, Ctx } from "../ctx.ts";
import { writeAtomically } from "../host/atomic.ts";
import { type Machine, placeOf } from "../host/machine.ts";
import type { KubeObject } from "../kube/client.ts";
import { peerOf } from "../kube/node.ts";
import { paths } from "../paths.ts";
import { parsePeers, type Peer, peersText, withMasters } from "../peers.ts";
import { keepRemoval, removalWords } from "./removed.ts";

const NODES = "/api/v1/nodes";

/** The server ends a watch after so many seconds. In between, a connection whose other end is gone looks like a quiet one. */
const WATCH_SECONDS = 30;

/** The same while a master has no Node: it may leave etcd at any moment, and no event tells. */
const STRAY_WATCH_SECONDS = 5;

/** Between two attempts to reach an API server: from the first, doubled up to the second. Milliseconds. */
const RETRY_MS = { first: 500, longest: 5_000 };

/** What the watch over the nodes of the cluster needs. */
export interface NodeWatch {
  machine: Machine;
  /** This node, as it is configured now; undefined while it is not. */
  current: () => NodeCtx | undefined;
  /** The other masters as etcd has them; undefined when it does not answer. */
  voters: (ctx: NodeCtx) => Promise<Peer[] | undefined>;
  /** Told what is new, in words. */
  tell: (words: string) => void;
  /** The peers, or what this node is to do, are others now; or the API is back, and what was between may have taken routes with it. */
  onChange: () => void;
  clock: Clock;
  /** From 0 up to 1. */
  random: () => number;
  /** Ends the watch. */
  signal: AbortSignal;
}

/**
 * Keeps the file of the peers as the API has the nodes, for as long as the daemon runs. What the API does not tell is left as it
 * was: a node must find its masters when none of them answers.
 *
 * @returns when the signal fires, and not before; never rejects
 */
export async function followNodes(watch: NodeWatch): Promise<void> {
  const { signal, clock, random } = watch;
  let delay = RETRY_MS.first;
  let missed = false;
  while (!signal.aborted) {
    const back = missed;
    missed = true;
    const onList = () => {
      if (back) watch.onChange();
      missed = false;
    };
    const ok = await followFromList(watch, onList).catch(() => false);
    delay = ok ? RETRY_MS.first : Math.min(delay * 2, RETRY_MS.longest);
    // By chance shorter or longer, so that all nodes do not come at once to a server that is back.
    await clock.sleep(delay * (0.75 + random() / 2), signal);
  }
}

/** Lists the nodes, and follows them until a watch breaks. @returns true when the server has told more than the list */
async function followFromList(watch: NodeWatch, onList: () => void): Promise<boolean> {
  const ctx = watch.current();
  if (!ctx) return false;
  const { status, body } = await ctx.kube.request("GET", NODES);
  const { items = [], metadata } = body;
  // A cluster without nodes is one that does not know its nodes yet, or not any more.
  if (status !== 200 || items.length === 0) return false;
  onList();
  const nodes = new Nodes(watch, ctx);
  for (const node of items) await nodes.learn(node);
  await nodes.save({ anew: true });
  let version = metadata.resourceVersion ?? "";
  let told = false;
  // Another configuration has another client.
  while (!watch.signal.aborted && watch.current() === ctx) {
    const begun = watch.clock.monotonic();
    const seconds = nodes.hasStray ? STRAY_WATCH_SECONDS : WATCH_SECONDS;
    const events = ctx.kube.watch(NODES, { resourceVersion: version, seconds });
    for await (const { type, object } of events) {
      // What it would have to tell is forgotten by now: the list has it.
      if (type === "ERROR") return told;
      told = true;
      version = object.metadata.resourceVersion ?? version;
      if (type === "DELETED") nodes.forget(object);
      else await nodes.learn(object);
      await nodes.save();
    }
    // A server that ends it early goes down, and what it knows when it is back may be older.
    if (watch.clock.monotonic() - begun < seconds * 900) return told;
    told = true;
    if (nodes.hasStray) await nodes.save({ anew: true });
  }
  return told;
}

/** The nodes as the API has them; of each only what a peer is. */
class Nodes {
  readonly #watch: NodeWatch;
  readonly #ctx: NodeCtx;
  readonly #peers = new Map<string, Peer>();
  #voters: readonly Peer[] = [];

  constructor(watch: NodeWatch, ctx: NodeCtx) {
    this.#watch = watch;
    this.#ctx = ctx;
  }

  /** A node is new, or another. */
  async learn(node: KubeObject): Promise<void> {
    const { name } = node.metadata;
    if (name === this.#ctx.node.name) return await this.#look(node);
    const peer = peerOf(node, this.#ctx);
    if (peer) this.#peers.set(name, peer);
    else this.#peers.delete(name);
  }

  forget({ metadata }: KubeObject): void {
    this.#peers.delete(metadata.name);
  }

  /** True while there is a master without a Node, or whose Node does not say that it is one. */
  get hasStray(): boolean {
    return this.#voters.some(({ name }) => this.#peers.get(name)?.master !== true);
  }

  /**
   * Brings the file of the peers up to date. Who has a vote in etcd is a master, whatever became of its Node: it may hold the address that
   * the masters have in common, and must go on hearing of the others.
   *
   * @param options `anew`: etcd is asked, though the Nodes say nothing new
   * @throws AppError when the file cannot be written
   */
  async save({ anew = false } = {}): Promise<void> {
    const { machine, tell, onChange } = this.#watch;
    const file = placeOf(machine, paths.peers);
    const before = readText(file);
    const nodes = [...this.#peers.values()];
    if (anew || peersText(withMasters(nodes, this.#voters)) !== before)
      this.#voters = await this.#askVoters(parsePeers(before ?? "[]"));
    const peers = withMasters(nodes, this.#voters);
    const text = peersText(peers);
    // The first master alone needs no file to say so.
    if (text === before || (before === undefined && peers.length === 0)) return;
    await writeAtomically(file, text, { mode: 0o600 });
    tell(newsOf(parsePeers(before ?? "[]"), peers));
    onChange();
  }

  /** Where etcd does not answer, nobody is left out who was a master before. */
  async #askVoters(before: readonly Peer[]): Promise<Peer[]> {
    const known = before.filter(({ master }) => master);
    const voters = await this.#watch.voters(this.#ctx);
    // Of a master without a Node what was known of it stays, such as the way to its pods.
    return voters?.map((one) => known.find(({ name }) => name === one.name) ?? one) ?? known;
  }

  async #look(own: KubeObject): Promise<void> {
    const { machine, tell, onChange, clock } = this.#watch;
    const removal = await keepRemoval(machine, { own, now: clock.now() });
    if (!removal) return;
    tell(removalWords(removal));
    onChange();
  }
}

type NodeCtx = Pick<Ctx, "kube" | "node" | "config" | "bundle" | "host" | "paths" | "signal">;

/** Who came, who went, who is another: `nodes of the cluster: new w1; gone w2`. */
function newsOf(before: readonly Peer[], after: readonly Peer[]): string {
  const find = (list: readonly Peer[], name: string) => list.find((one) => one.name === name);
  const fresh = after.filter(({ name }) => !find(before, name));
  const gone = before.filter(({ name }) => !find(after, name));
  const other = after.filter((one) => {
    const old = find(before, one.name);
    return old && !Bun.deepEquals(old, one);
  });
  const words = Object.entries({ new: fresh, gone, changed: other }).flatMap(([word, list]) =>
    list.length > 0 ? [`${word} ${list.map(({ name }) => name).join(", ")}`] : [],
  );
  return `nodes of the cluster: ${words.join("; ") || "their file was damaged"}`;
}

/** The text of a file; undefined when it cannot be read. */
export function readText(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
