import type { Clock } from "../ctx.ts";
import { AppError, messageOf } from "../errors.ts";
import { interrupted } from "../runner/wait.ts";
import { sizeText } from "../size-text.ts";
import { rangeText, release } from "./chunks.ts";
import { Patience } from "./patience.ts";
import { type Piece, wrongStretch } from "./pieces.ts";
import { type ByteSource, NotHereError, readExactly } from "./remote.ts";

/** Requests under way at one source: one is on its way while the other one is compared and written. */
const LANES = 2;

/** Requests under way in all: each holds a piece in memory. */
const MOST_AT_ONCE = 6;

/** Milliseconds that a piece may take. A source of HTTP that falls silent is given up long before; this is for one that trickles. */
const PIECE_MS = 600_000;

/** What is fetched, and what becomes of it. */
export interface FetchOptions {
  sources: readonly ByteSource[];
  pieces: readonly Piece[];
  /** Bytes that were there before, for messages. */
  have: number;
  /** Takes a piece whose digests are right; several at the same time. What it throws ends all. */
  store(piece: Piece, bytes: Buffer): Promise<void>;
  /** For the rests of sources that fail. */
  clock: Clock;
  signal: AbortSignal;
  /** Told of every piece that was stored. */
  onBytes?: (bytes: number) => void;
  /** Told of sources that are left out, and why. */
  say?: (line: string) => void;
  /** @default {600_000} */
  pieceMs?: number;
}

/** A source at work. */
interface Worker {
  source: ByteSource;
  busy: number;
  patience: Patience;
  /** It has failed, and is not asked just now. */
  resting: boolean;
  /** Why it is left out. */
  out?: string;
  /** Pieces that it has not got. */
  lacks: Set<Piece>;
}

/** A piece that nobody has stored yet. */
interface Job {
  piece: Piece;
  /** Who fetches it just now; a second one when everything else is under way too. */
  by: Map<Worker, AbortController>;
  /** Its bytes are right, and being written. */
  storing: boolean;
}

/**
 * Fetches pieces from several sources at once. Each takes the next piece when it is done with one, so faster ones fetch more; when no
 * piece is left to begin with, those with nothing to do try what others are slow with, and the first one counts. A source that sends
 * wrong bytes is left out at once. One that fails rests before it is asked again, while others go on, and is left out when it did nothing but
 * fail for some time.
 *
 * @throws AppError when no source is left; InterruptedError when the signal fires; what `store` throws
 */
export async function fetchPieces(options: FetchOptions): Promise<void> {
  await new Fetching(options).run();
}

class Fetching {
  private readonly jobs: Set<Job>;
  private readonly workers: Worker[];
  private readonly lanes: number;
  private readonly done = Promise.withResolvers<void>();
  private readonly attempts = new Set<Promise<void>>();
  /** Ends everything that is under way. */
  private readonly end = new AbortController();

  constructor(private readonly options: FetchOptions) {
    const { pieces, sources } = options;
    this.jobs = new Set(pieces.map((piece) => ({ piece, by: new Map(), storing: false })));
    this.workers = sources.map((source) => ({
      source,
      busy: 0,
      patience: new Patience(),
      resting: false,
      lacks: new Set(),
    }));
    this.lanes = Math.max(1, Math.min(LANES, Math.floor(MOST_AT_ONCE / Math.max(1, sources.length))));
  }

  async run(): Promise<void> {
    const { signal } = this.options;
    const stop = () => this.done.reject(interrupted("stream the bundle"));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    try {
      this.pump();
      await this.done.promise;
    } finally {
      signal.removeEventListener("abort", stop);
      this.end.abort(new Error("not needed any more"));
      // Nobody writes into the file after this.
      await Promise.allSettled(this.attempts);
    }
  }

  /** Gives every source that has a lane free something to do. */
  private pump(): void {
    if (this.end.signal.aborted) return;
    if (this.jobs.size === 0) return this.done.resolve();
    for (let lane = 0; lane < this.lanes; lane++) {
      for (const worker of this.workers) {
        if (worker.out !== undefined || worker.resting) continue;
        if (worker.busy > lane || this.attempts.size >= MOST_AT_ONCE) continue;
        const job = this.nextFor(worker);
        if (job) this.begin(job, worker);
      }
    }
    const isResting = this.workers.some(({ out, resting }) => out === undefined && resting);
    if (this.attempts.size === 0 && !isResting) this.done.reject(this.nobodyLeft());
  }

  private nextFor(worker: Worker): Job | undefined {
    let shared: Job | undefined;
    for (const job of this.jobs) {
      if (job.storing || worker.lacks.has(job.piece) || job.by.has(worker)) continue;
      if (job.by.size === 0) return job;
      // The one that is under way for longest: the first one in the order in which they are begun.
      if (job.by.size === 1) shared ??= job;
    }
    return shared;
  }

  private begin(job: Job, worker: Worker): void {
    const attempt: Promise<void> = this.attempt(job, worker)
      .catch((error: unknown) => this.done.reject(error))
      .then(() => this.ended(attempt));
    this.attempts.add(attempt);
  }

  private ended(attempt: Promise<void>): void {
    this.attempts.delete(attempt);
    this.pump();
  }

  /** One request of one source. @throws what `store` throws */
  private async attempt(job: Job, worker: Worker): Promise<void> {
    const { piece } = job;
    const own = new AbortController();
    const limit = AbortSignal.timeout(this.options.pieceMs ?? PIECE_MS);
    const signal = AbortSignal.any([own.signal, this.end.signal, limit]);
    job.by.set(worker, own);
    worker.busy++;
    try {
      const bytes = await readExactly(worker.source, { range: piece, signal });
      await this.take(bytes, { job, worker });
    } catch (error) {
      if (error instanceof StoreError) throw error.cause;
      if (!own.signal.aborted && !this.end.signal.aborted) this.failed(error, { job, worker, limit });
    } finally {
      job.by.delete(worker);
      worker.busy--;
    }
  }

  private async take(bytes: Buffer, { job, worker }: { job: Job; worker: Worker }): Promise<void> {
    const { piece } = job;
    const wrong = wrongStretch(bytes, piece);
    if (wrong) return this.leaveOut(worker, wrongText(wrong));
    worker.patience.succeeded();
    if (job.storing || this.end.signal.aborted) return release(bytes);
    job.storing = true;
    for (const [other, slower] of job.by) if (other !== worker) slower.abort();
    await this.options.store(piece, bytes).catch((error: unknown) => {
      throw new StoreError(error);
    });
    release(bytes);
    this.jobs.delete(job);
    this.options.onBytes?.(piece.size);
  }

  private failed(
    error: unknown,
    { job, worker, limit }: { job: Job; worker: Worker; limit: AbortSignal },
  ): void {
    if (error instanceof NotHereError) {
      worker.lacks.add(job.piece);
      return;
    }
    const tooLong = worker.patience.failed(this.options.clock.monotonic());
    if (tooLong === undefined) return void this.rest(worker);
    const { at, size } = job.piece;
    const seconds = (this.options.pieceMs ?? PIECE_MS) / 1000;
    const why = limit.aborted ? `no answer within ${seconds} s` : messageOf(error);
    this.leaveOut(worker, `it failed ${tooLong}, last with bytes ${rangeText({ at, stored: size })}: ${why}`);
  }

  /** Leaves a source alone for a while: what it failed with is asked of others, or of it again. */
  private async rest(worker: Worker): Promise<void> {
    // Both requests fail when the source goes: that is one failure.
    if (worker.resting) return;
    worker.resting = true;
    await this.options.clock.sleep(worker.patience.rest(), this.end.signal);
    worker.resting = false;
    this.pump();
  }

  private leaveOut(worker: Worker, why: string): void {
    if (worker.out !== undefined) return;
    worker.out = why;
    for (const { by } of this.jobs) by.get(worker)?.abort();
    this.options.say?.(`left out: ${worker.source.name}: ${why}`);
  }

  private nobodyLeft(): AppError {
    const left = [...this.jobs].map(({ piece }) => piece);
    const why = this.workers.map(({ source, out, lacks }) => {
      const lacking = left.filter((piece) => lacks.has(piece)).flatMap(({ stretches }) => stretches);
      const parts = new Set(lacking.flatMap((stretch) => stretch.parts));
      return `\n  ${source.name}: ${out ?? `it has not got ${[...parts].join(", ")}`}`;
    });
    const { have, pieces } = this.options;
    const total = pieces.reduce((sum, { size }) => sum + size, have);
    const here = total - left.reduce((sum, { size }) => sum + size, 0);
    return new AppError(
      `Cannot stream the bundle: ${sizeText(here)} of ${sizeText(total)} are here, and no source is left${why.join("")}`,
      {
        hint: this.workers.some(({ out }) => out !== undefined)
          ? "run the same command again: it goes on where this one ended"
          : "copy the bundle here and name it with --bundle FILE",
      },
    );
  }
}

/** What went wrong here, and not at a source. */
class StoreError extends Error {
  constructor(cause: unknown) {
    super("cannot store", { cause });
  }
}

function wrongText({ at, size, parts }: { at: number; size: number; parts: readonly string[] }): string {
  return `it sent wrong bytes for ${parts.join(", ")} (bytes ${rangeText({ at, stored: size })})`;
}
