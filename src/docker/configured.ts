import type { Ctx } from "../ctx.ts";
import { AppError } from "../errors.ts";
import { ensureAll, type Outcome } from "../host/host.ts";
import type { FileWanted } from "../host/kinds/file.ts";
import { until } from "../runner/wait.ts";
import type { ContainerSpec } from "./docker.ts";

/** A container whose program has a configuration of its own, and takes a changed one at a signal, without an end of its work. */
export interface Configured {
  spec: ContainerSpec;
  /**
   * Directory of the host that the container sees. A directory, and not files: what is renamed to its place in it is seen,
   * while a file that is mounted stays the old one.
   */
  dir: string;
  /** All files of the directory; the first one is the configuration. */
  files: readonly [FileWanted, ...FileWanted[]];
  /** The command that checks the configuration of this name in the directory. */
  check: (name: string) => readonly string[];
  /** The signal by which the program reads its configuration again. */
  reload: string;
  /** True: a configuration is checked also while nothing runs, for the program would start with what is left of a bad one. */
  alwaysChecked?: boolean;
}

/** In the place of the configuration while it is checked. */
const CANDIDATE = "candidate";

/** Says from before the files are changed that the program has still to read them. */
const noteOf = (ctx: Pick<Ctx, "paths">, { spec }: Configured) => noteFor(ctx, spec.name);

const noteFor = ({ paths }: Pick<Ctx, "paths">, name: string) => `${paths.stateDir}/${name}-reads`;

/**
 * Brings the container to run with its configuration. A changed one is checked by the program itself, in a container of its
 * own, before it takes the place of one that is in use; then the running program is told to read it.
 *
 * @throws AppError with the words of the program when it refuses the configuration; the one before stays
 */
export async function ensureConfigured(ctx: Ctx, wanted: Configured): Promise<Outcome> {
  const { host } = ctx;
  const { spec, dir, files, reload } = wanted;
  const note = noteOf(ctx, wanted);
  await host.ensure({ kind: "dir", path: dir, mode: 0o755 });
  if (!host.detached && (await isChanged(ctx, wanted))) {
    if (wanted.alwaysChecked || (await isRunning(ctx, spec.name))) await check(ctx, wanted);
    // First the note, then the reason: a kill in between costs one signal too many.
    await host.ensure({ kind: "file", path: note, content: `${reload}\n`, mode: 0o600 });
  }
  const written = await ensureAll(
    host,
    files.map((one) => ({ kind: "file", ...one }) as const),
  );
  const ran = await host.ensure({ kind: "container", name: spec.name, spec });
  const noted = !host.detached && (await host.exists(note));
  // One that was started just now has read the files.
  if (noted && ran === "unchanged") await ctx.docker.signal(spec.name, reload);
  if (noted) await host.ensure({ kind: "absent", path: note });
  return noted || written === "changed" || ran === "changed" ? "changed" : "unchanged";
}

/** Removes the container with its configuration. */
export async function removeConfigured(
  ctx: Ctx,
  { name, dir }: { name: string; dir: string },
): Promise<Outcome> {
  const files = await ctx.host.list(dir);
  return await ensureAll(ctx.host, [
    { kind: "container", name },
    ...files.map((file) => ({ kind: "absent", path: `${dir}/${file}` }) as const),
  ]);
}

/** True when the files are those that are wanted, and the program has read them. */
export async function isCurrent(ctx: Ctx, wanted: Configured): Promise<boolean> {
  return !(await isChanged(ctx, wanted)) && (await hasRead(ctx, wanted.spec));
}

/** True when the program of a container has read the configuration that lies in its place. */
export async function hasRead(
  ctx: Pick<Ctx, "host" | "paths">,
  { name }: { name: string },
): Promise<boolean> {
  return !(await ctx.host.exists(noteFor(ctx, name)));
}

async function isChanged({ host }: Ctx, { files }: Configured): Promise<boolean> {
  const texts = await Promise.all(files.map(({ path }) => host.read(path)));
  return files.some(({ content }, at) => texts[at] !== content);
}

async function isRunning({ docker }: Ctx, name: string): Promise<boolean> {
  return (await docker.inspect(name))?.running ?? false;
}

/** Lets the program of the same image say what it thinks of the configuration. */
async function check(ctx: Ctx, wanted: Configured): Promise<void> {
  const { host, docker, clock, signal } = ctx;
  const [configuration] = wanted.files;
  const name = `${wanted.spec.name}-check`;
  const candidate = { ...configuration, path: `${wanted.dir}/${CANDIDATE}` };
  const spec = { ...wanted.spec, name, command: wanted.check(CANDIDATE), restart: "no" } as const;
  try {
    await ensureAll(host, [
      { kind: "file", ...candidate },
      { kind: "container", name, spec },
    ]);
    const ended = await until(
      async () => {
        const found = await docker.inspect(name);
        return found && !found.running ? { value: found } : { missing: "the check has not ended" };
      },
      { action: `check the configuration of ${wanted.spec.name}`, timeoutMs: 30_000, clock, signal },
    );
    if (ended.exitCode === 0) return;
    const words = (await docker.logs(name, 20)).trim();
    throw new AppError(`Cannot use the new configuration "${configuration.path}": it is refused: ${words}`, {
      hint: "the one before stays in use; change what the words name and start again",
    });
  } finally {
    await ensureAll(host, [
      { kind: "container", name },
      { kind: "absent", path: candidate.path },
    ]);
  }
}
