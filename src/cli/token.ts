import { ExitCode, InterruptedError, UsageError } from "../errors.ts";
import { accepts } from "../host/port.ts";
import { readRequired } from "../host/host.ts";
import type { JoinState, NodeRole, TokenRecord } from "../join/state.ts";
import { changeJoinState, readJoinState } from "../join/store.ts";
import { hashOf, makeToken, tokenText } from "../join/token.ts";
import { until } from "../runner/wait.ts";
import { parseDuration } from "./duration.ts";
import type { Io, OutputFormat } from "./io.ts";
import { showResult } from "./io.ts";
import { type GlobalOptions, openSession, type Session } from "./session.ts";

/** Options of `nodelet token create`. */
export interface CreateOptions extends GlobalOptions {
  role: NodeRole;
  /** For example `24h`. */
  ttl?: string;
  uses: string;
  quiet?: boolean;
  output: OutputFormat;
}

/** A master's token opens the whole cluster, so it lives shorter. */
const DEFAULT_TTL = { master: "2h", worker: "24h" } as const;
const MOST_USES = 1000;
/** How long a daemon that was just started may take until it listens, in milliseconds. */
const SERVED_MS = 15_000;
const LONGEST_MS = 365 * 86_400_000;

/** `nodelet token create`: prints the command for the new host. */
export async function tokenCreate(
  io: Io,
  { options, signal }: { options: CreateOptions; signal: AbortSignal },
): Promise<number> {
  const ttlMs = parseDuration(options.ttl ?? DEFAULT_TTL[options.role], "--ttl");
  if (ttlMs > LONGEST_MS)
    throw new UsageError(`Cannot make a token for ${options.ttl}; expected at most 8760h`);
  const uses = Number(options.uses);
  if (!/^[1-9]\d{0,3}$/.test(options.uses) || uses > MOST_USES)
    throw new UsageError(
      `Cannot make a token for "${options.uses}" nodes; expected --uses from 1 to ${MOST_USES}`,
    );
  const { ctx } = await master(io, { options, signal });
  const token = makeToken(await readRequired(ctx.host, `${ctx.paths.certs}/ca.crt`));
  const now = ctx.clock.now();
  const { role } = options;
  const record: TokenRecord = {
    id: token.id,
    hash: hashOf(token.secret),
    role,
    created: now,
    expires: now + ttlMs,
    uses,
    used: [],
  };
  await changeJoinState(ctx.kube, {
    now,
    change: (state) => ({ state: { ...state, tokens: [...state.tokens, record] }, result: undefined }),
  });
  await untilServed(io, { ctx });
  const text = tokenText(token);
  if (options.quiet) {
    io.out(`${text}\n`);
    return ExitCode.ok;
  }
  const command = joinCommand(ctx.node.masterIp, { text, joinPort: ctx.config.joinPort });
  const expires = new Date(record.expires).toISOString();
  const result = { id: token.id, role, uses, expires, token: text, command };
  const who = uses === 1 ? `one ${role}` : `${uses} ${role}s`;
  const table = `Token "${token.id}" lets ${who} join until ${expires}. Whoever has it is let in${
    role === "master" ? ", and is given the keys of the cluster" : ""
  }.
On the new host, as root:

${command}
`;
  showResult(io, { format: options.output, result, table });
  return ExitCode.ok;
}

/** Right after init the daemon is about to listen: who has the token may come with it at once. */
async function untilServed(io: Io, { ctx }: Pick<Session, "ctx">): Promise<void> {
  const { clock, signal, node, config } = ctx;
  const address = { host: node.ip, port: config.joinPort };
  const look = async () =>
    (await accepts(address)) ? { value: true } : { missing: "nobody listens for joining nodes" };
  const options = { action: "reach the join service", timeoutMs: SERVED_MS, clock, signal };
  await until(look, options).catch((error: unknown) => {
    if (error instanceof InterruptedError) throw error;
    io.err(
      `warning: Nobody listens for joining nodes on this master (${address.host}:${address.port})\n  see nodelet status; other masters take the token as well\n`,
    );
  });
}

/** The token goes in through standard input: words of a command are seen by everybody on the host. */
function joinCommand(address: string, { text, joinPort }: { text: string; joinPort: number }): string {
  const at = joinPort === 6442 ? address : `${address}:${joinPort}`;
  return `nodelet join ${at} --token-file - <<END\n${text}\nEND`;
}

/** `nodelet token list`. */
export async function tokenList(
  io: Io,
  { options, signal }: { options: GlobalOptions & { output: OutputFormat }; signal: AbortSignal },
): Promise<number> {
  const { ctx } = await master(io, { options, signal });
  const { tokens } = await readJoinState(ctx.kube);
  const now = ctx.clock.now();
  const result = tokens.map((token) => ({
    id: token.id,
    role: token.role,
    state: stateOf(token, now),
    used: token.used.length,
    uses: token.uses,
    expires: new Date(token.expires).toISOString(),
  }));
  const columns = ["ID", "ROLE", "STATE", "USED", "EXPIRES"];
  const rows = result.map(({ id, role, state, used, uses, expires }) => [
    id,
    role,
    state,
    `${used}/${uses}`,
    expires,
  ]);
  showResult(io, {
    format: options.output,
    result,
    table: rows.length > 0 ? { columns, rows } : "There are no tokens; make one: nodelet token create\n",
  });
  return ExitCode.ok;
}

/** In one word, whether a token still opens the door. */
function stateOf({ revoked, expires, used, uses }: TokenRecord, now: number): string {
  if (revoked) return "revoked";
  if (expires <= now) return "expired";
  return used.length >= uses ? "used up" : "valid";
}

/** `nodelet token revoke ID`. Nodes that joined with it stay. */
export async function tokenRevoke(
  io: Io,
  {
    options,
    id,
    signal,
  }: { options: GlobalOptions & { output: OutputFormat }; id: string; signal: AbortSignal },
): Promise<number> {
  // Whoever gives the whole token means its id, and it is not repeated.
  const wanted = id.split(".")[0] ?? "";
  if (!/^[a-z0-9]{6}$/.test(wanted)) {
    // It may be a part of a secret, and is not repeated.
    throw new UsageError("Cannot revoke that: it is no id of a token; expected 6 letters and digits", {
      hint: "see nodelet token list",
    });
  }
  const { ctx } = await master(io, { options, signal });
  await changeJoinState(ctx.kube, {
    now: ctx.clock.now(),
    change: (state) => ({ state: withoutToken(state, wanted), result: undefined }),
  });
  showResult(io, {
    format: options.output,
    result: { id: wanted, revoked: true },
    table: `Token "${wanted}" lets nobody in any more; nodes that joined with it stay.\n`,
  });
  return ExitCode.ok;
}

/** @throws UsageError for a token that is not there */
function withoutToken(state: JoinState, wanted: string): JoinState {
  const known = state.tokens.map(({ id }) => id);
  if (!known.includes(wanted)) {
    throw new UsageError(
      `Cannot revoke the token "${wanted}": there is none; there are: ${known.join(", ") || "none"}`,
    );
  }
  const tokens = state.tokens.map((token) => (token.id === wanted ? { ...token, revoked: true } : token));
  return { ...state, tokens };
}

/** A session on a master. @throws UsageError elsewhere */
async function master(
  io: Io,
  { options, signal }: { options: GlobalOptions; signal: AbortSignal },
): Promise<Session> {
  const session = await openSession({ options, io, signal, purpose: "look", withoutSitePhases: true });
  if (session.recorded?.role === "master") return session;
  throw new UsageError(
    `Cannot work with tokens here: this host is ${session.recorded ? `a ${session.recorded.role}` : "no node"}`,
    { hint: "do it on a master of the cluster" },
  );
}
