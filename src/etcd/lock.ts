import type { Ctx } from "../ctx.ts";
import { AppError, messageOf } from "../errors.ts";
import type { Say } from "../runner/phase.ts";
import { type Poll, until } from "../runner/wait.ts";
import type { Claimed, EtcdClient } from "./client.ts";
import { isPassing } from "./wire.ts";

/** Who changes the list of members holds this key. */
export const LOCK_KEY = "nodelet/member-lock";

/** A holder that was killed stands in the way for no longer than this. */
const TTL_SECONDS = 15;
/** How long it may take until a majority answers at all, in milliseconds: an election, or a reboot of all. */
const SILENCE_MS = 60_000;
/** How long others wait for one holder, unless they say how long, in milliseconds. */
const WAIT_MS = 600_000;

/** What the key holds. */
interface Holder {
  /** Name of the node that is at work, and its address. */
  holder: string;
  ip: string;
  /** What it does, as the end of a sentence: `is joining`. */
  what: string;
  /** Milliseconds since the epoch, by its own clock. */
  since: number;
}

/** The right to change the list of members. */
export interface MemberLock {
  /** Before each change. @throws AppError when the right was lost, because etcd did not hear of this node for too long */
  check(): Promise<void>;
  /** Lets the next one in. Never throws: the lease ends by itself. */
  release(): Promise<void>;
}

/**
 * Waits until nobody else changes the list of members, and keeps others out from then on.
 *
 * @param options `what`: as the end of a sentence that begins with the node's name; `waitMs`: for each holder
 * @throws AppError when one holder does not come to an end within ten minutes, or that time
 */
export async function takeMemberLock(
  ctx: Pick<Ctx, "node" | "clock" | "signal" | "log">,
  { etcd, what, say, waitMs = WAIT_MS }: { etcd: EtcdClient; what: string; say?: Say; waitMs?: number },
): Promise<MemberLock> {
  const { node, clock, signal } = ctx;
  const me: Holder = { holder: node.name, ip: node.ip, what, since: clock.now() };
  let heard = clock.monotonic();
  const attempt = async (): Promise<Poll<MemberLock>> => {
    const lease = await etcd.grant(TTL_SECONDS);
    heard = clock.monotonic();
    const other = await etcd.claim(LOCK_KEY, { value: JSON.stringify(me), lease });
    if (!other) return { value: keep(ctx, { etcd, lease }) };
    await etcd.revoke(lease);
    const found = parseHolder(other);
    // Only one nodelet works on a host at a time, so what is held in this node's name is of one that was killed.
    if (found?.holder === me.holder && found.ip === me.ip) await etcd.revoke(other.lease).catch(() => {});
    return { missing: told(found, clock.now()), progress: `${other.lease}` };
  };
  return await until(
    () =>
      attempt().catch((error: unknown) => {
        if (!isPassing(error) || clock.monotonic() - heard > SILENCE_MS) throw error;
        return { missing: error.message };
      }),
    {
      action: "get the right to change etcd's members",
      timeoutMs: waitMs,
      everyMs: 500,
      clock,
      signal,
      ...(say && { say }),
      hint: "see what nodelet does on that node",
    },
  );
}

/** The lease is kept in the background: what is done under the lock may take long. */
function keep({ log }: Pick<Ctx, "log">, { etcd, lease }: { etcd: EtcdClient; lease: string }): MemberLock {
  const renew = () =>
    etcd
      .keepAlive(lease)
      .catch((error: unknown) => log.warn(`etcd's lock was not renewed: ${messageOf(error)}`));
  const timer = setInterval(() => void renew(), (TTL_SECONDS * 1000) / 4);
  return {
    async check() {
      if (await etcd.keepAlive(lease)) return;
      throw new AppError(
        "Cannot go on: the right to change etcd's members was lost, as etcd did not hear of this node for too long",
        { hint: "run the same command again" },
      );
    },
    async release() {
      clearInterval(timer);
      await etcd.revoke(lease).catch((error: unknown) => log.warn(messageOf(error)));
    },
  };
}

function parseHolder({ value }: Claimed): Holder | undefined {
  try {
    return JSON.parse(value) as Holder;
  } catch {
    return undefined;
  }
}

function told(found: Holder | undefined, now: number): string {
  if (!found) return "waiting for another node, which changes etcd's members";
  const seconds = Math.max(0, Math.round((now - found.since) / 1000));
  return `waiting for "${found.holder}", which ${found.what} since ${seconds} s`;
}
