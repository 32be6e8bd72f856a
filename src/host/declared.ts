import { type BigIntStats, lstatSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { writeAtomically } from "./atomic.ts";
import { type Host, isMissing } from "./host.ts";
import { type AnyWanted, claims, type KindName, kinds } from "./kinds/index.ts";
import { type Machine, placeOf } from "./machine.ts";

/** One thing that nodelet last brought about, as it is kept: without contents and secrets. */
export interface DeclaredThing {
  kind: KindName;
  /** What `read` and `still` of the kind take. */
  kept: object;
  /** For a path: what lstat says of it; while that is the same, nobody needs to read it. */
  signature?: string;
}

/** Things by kind and key. */
export type DeclaredThings = Record<string, DeclaredThing>;

/** A thing that is not any more as nodelet left it. */
export interface Drift {
  kind: KindName;
  key: string;
}

/** Kinds of things at a path. */
const pathKinds: ReadonlySet<KindName> = new Set(["file", "absent", "link", "dir", "copy"]);

/** Where systemd keeps the links of what is started at boot. */
const ENABLED_UNITS = "/etc/systemd/system/multi-user.target.wants";

/** Images are asked for by their phase; claims belong to the programs that we start, who also fill what was emptied for them. */
const watched = (kind: KindName) => !claims.has(kind) && kind !== "image" && kind !== "emptied";

/** Collects what phases bring about, through the host that {@linkcode declaringHost} makes. */
export class Declaration {
  readonly #things = new Map<string, { wanted: AnyWanted; key: string }>();
  readonly #claimed: string[] = [];

  /** Adds one thing; of several words on the same thing the last one holds. */
  add(wanted: AnyWanted): void {
    if (wanted.kind === "tree") this.#claimed.push(wanted.path);
    if (!watched(wanted.kind)) return;
    const key = kinds[wanted.kind].key(wanted);
    this.#things.set(identity(wanted.kind, key), { wanted, key });
  }

  /** Adds all that was collected to what earlier runs have kept. Atomic; call it while holding the lock of the host. */
  async save(machine: Machine, file: string): Promise<void> {
    const things = readDeclared(file);
    for (const [id, { wanted, key }] of this.#things) {
      const kind = kinds[wanted.kind];
      const signature = pathKinds.has(wanted.kind) ? signatureOf(machine, key) : undefined;
      const kept = kind.keep?.(wanted) ?? wanted;
      things[id] = { kind: wanted.kind, kept, ...(signature !== undefined && { signature }) };
    }
    // What lies where another program is at home changes without us.
    for (const [id, thing] of Object.entries(things)) {
      const path = pathKinds.has(thing.kind) ? keyOf(thing) : undefined;
      if (path !== undefined && this.#claimed.some((tree) => path === tree || path.startsWith(`${tree}/`)))
        delete things[id];
    }
    await writeAtomically(file, `${JSON.stringify(things, null, 1)}\n`, { mode: 0o600 });
  }
}

/** A host that tells a declaration of all that is ensured through it. */
export function declaringHost(host: Host, declaration: Declaration): Host {
  return {
    ...host,
    async ensure(wanted) {
      const outcome = await host.ensure(wanted);
      declaration.add(wanted);
      return outcome;
    },
  };
}

/** Reads what was kept; a missing or broken file declares nothing. */
export function readDeclared(file: string): DeclaredThings {
  try {
    const found: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (typeof found !== "object" || found === null) return {};
    return Object.fromEntries(Object.entries(found as DeclaredThings).filter(([, thing]) => isThing(thing)));
  } catch {
    return {};
  }
}

/** True for what this version has written. */
function isThing(thing: DeclaredThing | null): boolean {
  if (!thing || !Object.hasOwn(kinds, thing.kind) || typeof thing.kept !== "object" || thing.kept === null)
    return false;
  return typeof keyOf(thing) === "string";
}

/**
 * Compares the machine with what was declared. A path whose lstat is the same is not read. What cannot be looked at now,
 * such as a container of an engine that is down, is no drift: its phase's check tells of it.
 *
 * @param things kept by {@linkcode Declaration.save}; signatures of paths that were touched, but not changed, are renewed
 */
export async function findDrift(machine: Machine, things: DeclaredThings): Promise<Drift[]> {
  const found = await Promise.all(
    Object.values(things).map(async (thing): Promise<Drift[]> => {
      const key = keyOf(thing);
      const signature = pathKinds.has(thing.kind) ? signatureOf(machine, key) : undefined;
      if (signature !== undefined && signature === thing.signature) return [];
      const gone = signature === ABSENT && thing.kind !== "absent";
      if (gone || !(await isStill(machine, thing))) return [{ kind: thing.kind, key }];
      if (signature !== undefined) thing.signature = signature;
      return [];
    }),
  );
  return found.flat();
}

/** The directories to watch for changes of the declared paths, and the names in each that matter. */
export function watchedPlaces(things: DeclaredThings): Map<string, Set<string>> {
  const places = new Map<string, Set<string>>();
  for (const thing of Object.values(things)) {
    // A unit is disabled by removing its link.
    const path = thing.kind === "unit" ? `${ENABLED_UNITS}/${keyOf(thing)}` : keyOf(thing);
    if (thing.kind !== "unit" && !pathKinds.has(thing.kind)) continue;
    const names = places.get(dirname(path)) ?? new Set();
    places.set(dirname(path), names.add(path.slice(dirname(path).length).replace(/^\//, "")));
  }
  return places;
}

async function isStill(machine: Machine, thing: DeclaredThing): Promise<boolean> {
  const kind = kinds[thing.kind];
  try {
    const found: unknown = await kind.read(machine, thing.kept);
    return kind.still ? kind.still(found, thing.kept) : kind.same(found, thing.kept);
  } catch {
    return true;
  }
}

function keyOf({ kind, kept }: DeclaredThing): string {
  return kinds[kind].key(kept);
}

/** A file, a link or nothing at one path are states of one thing. */
function identity(kind: KindName, key: string): string {
  return `${kind === "absent" || kind === "link" || kind === "copy" ? "file" : kind}:${key}`;
}

const ABSENT = "absent";

function signatureOf(machine: Machine, path: string): string | undefined {
  const found = statOf(placeOf(machine, path));
  if (!found || found === ABSENT) return found;
  // Of a directory only what is declared of it: its times change with all that comes and goes in it.
  if (found.isDirectory()) return [found.ino, found.mode, found.uid, found.gid].join(":");
  return [found.ino, found.size, found.mode, found.uid, found.gid, found.ctimeNs].join(":");
}

/** Undefined for a path that cannot be looked at. */
function statOf(place: string): BigIntStats | typeof ABSENT | undefined {
  try {
    return lstatSync(place, { bigint: true });
  } catch (error) {
    // A parent may be something else than a directory by now.
    return isMissing(error) ? ABSENT : undefined;
  }
}
