import { access, readdir, readFile } from "node:fs/promises";
import type { Host, Outcome } from "./host.ts";
import { isMissing } from "./host.ts";
import type { Journal } from "./journal.ts";
import { type AnyWanted, claims, engineKinds, fileKinds, kinds } from "./kinds/index.ts";
import { type Machine, placeOf } from "./machine.ts";

/** One line of a plan: a thing, what it is, and what it would be. */
export interface PlannedChange {
  kind: string;
  key: string;
  from: string;
  to: string;
}

/** What the two hosts share: looking at the machine. */
function looking(
  machine: Machine,
): Pick<Host, "root" | "read" | "list" | "exists" | "place" | "run" | "docker"> {
  return {
    root: machine.root,
    docker: machine.docker,
    place: (path) => placeOf(machine, path),
    run: (argv, options) => machine.run(argv, options),
    exists: (path) =>
      access(placeOf(machine, path)).then(
        () => true,
        () => false,
      ),
    async read(path) {
      return await readFile(placeOf(machine, path), "utf8").catch((error) => {
        if (isMissing(error)) return undefined;
        throw error;
      });
    },
    async list(path) {
      const names = await readdir(placeOf(machine, path)).catch((error) => {
        if (isMissing(error)) return [];
        throw error;
      });
      return names.sort();
    },
  };
}

/**
 * The host that changes the machine, each thing only after what it was is in the journal.
 *
 * Under another root than `/` only files are changed; what concerns the running machine is added to `plan` instead.
 *
 * @param options `onChange` is told of every change made; `plan` collects what is not done under another root
 */
export function realHost(
  machine: Machine,
  options: { journal: Journal; onChange?: (change: PlannedChange) => void; plan?: PlannedChange[] },
): Host {
  const detached = machine.root !== "/";
  return {
    ...looking(machine),
    detached,
    before: (kind, key) => options.journal.before(kind, key),
    async ensure(wanted: AnyWanted): Promise<Outcome> {
      const kind = kinds[wanted.kind];
      const key = kind.key(wanted);
      if (detached && !fileKinds.has(wanted.kind)) {
        options.plan?.push({ kind: wanted.kind, key, from: "unknown", to: detachedWords(wanted) });
        return "unchanged";
      }
      if (claims.has(wanted.kind) && options.journal.has(wanted.kind, key)) return "unchanged";
      const before = await kind.read(machine, wanted);
      if (kind.same(before, wanted) && !claims.has(wanted.kind)) return "unchanged";
      options.journal.add({ kind: wanted.kind, key, before });
      if (claims.has(wanted.kind)) return "unchanged";
      await kind.apply(machine, wanted);
      options.onChange?.({ kind: wanted.kind, key, ...kind.describe(before, wanted) });
      return "changed";
    },
  };
}

/** What a dry run cannot look at: the running machine of another root, and the engine that is not there yet. */
async function isUnseen(machine: Machine, { kind }: AnyWanted): Promise<boolean> {
  if (machine.root !== "/") return !fileKinds.has(kind);
  return engineKinds.has(kind) && !(await machine.docker.alive());
}

function detachedWords(wanted: AnyWanted): string {
  return kinds[wanted.kind].describe({ type: "absent", value: null, imageId: null }, wanted).to;
}

/**
 * The host of a dry run: looks at the machine, changes nothing, and collects the plan. What an earlier step would have
 * written is seen by later ones.
 */
export function recordingHost(machine: Machine, plan: PlannedChange[]): Host {
  const written = new Map<string, string | undefined>();
  const look = looking(machine);
  return {
    ...look,
    detached: true,
    before: () => undefined,
    async read(path) {
      return written.has(path) ? written.get(path) : await look.read(path);
    },
    async exists(path) {
      return written.has(path) ? written.get(path) !== undefined : await look.exists(path);
    },
    async ensure(wanted: AnyWanted): Promise<Outcome> {
      if (claims.has(wanted.kind)) return "unchanged";
      const kind = kinds[wanted.kind];
      if (await isUnseen(machine, wanted)) {
        plan.push({ kind: wanted.kind, key: kind.key(wanted), from: "unknown", to: detachedWords(wanted) });
        return "unchanged";
      }
      const before = await kind.read(machine, wanted);
      if (kind.same(before, wanted)) return "unchanged";
      if (wanted.kind === "file") written.set(wanted.path, Buffer.from(wanted.content).toString());
      if (wanted.kind === "absent") written.set(wanted.path, undefined);
      plan.push({ kind: wanted.kind, key: kind.key(wanted), ...kind.describe(before, wanted) });
      return "changed";
    },
  };
}
