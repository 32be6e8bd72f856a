import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A directory that stands for the `/` of a host; removed at the end of its scope. */
export interface TmpRoot extends AsyncDisposable {
  /** The directory itself. */
  readonly path: string;
  /** The real place of an absolute path of the host. */
  place(path: string): string;
  /** Writes a file with its parents; the mode is set whatever the umask. */
  write(path: string, content: string, mode?: number): Promise<void>;
  /** Text of a file, or undefined. */
  read(path: string): Promise<string | undefined>;
  /** Permission bits of a path. */
  mode(path: string): Promise<number>;
  /** Everything below, as text: two equal snapshots are two equal trees. */
  snapshot(): Promise<Record<string, string>>;
}

/** Makes a temporary root: `await using root = await tmpRoot()`. */
export async function tmpRoot(): Promise<TmpRoot> {
  const path = await mkdtemp(join(tmpdir(), "nodelet-test-"));
  const place = (inner: string) => join(path, inner);
  return {
    path,
    place,
    async write(inner, content, mode = 0o644) {
      await mkdir(dirname(place(inner)), { recursive: true });
      await writeFile(place(inner), content);
      await chmod(place(inner), mode);
    },
    read: (inner) => readFile(place(inner), "utf8").catch(() => undefined),
    mode: async (inner) => (await lstat(place(inner))).mode & 0o7777,
    snapshot: () => snapshot(path),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

/** Everything below a directory: type, mode, foreign owner, and content or target of each path. */
export async function snapshot(path: string): Promise<Record<string, string>> {
  const names = await readdir(path, { recursive: true });
  const lines = names.sort().map(async (name) => {
    const place = join(path, name);
    const stat = await lstat(place);
    const mode = (stat.mode & 0o7777).toString(8);
    if (stat.isSymbolicLink()) return [name, `link to ${await readlink(place)}`];
    if (stat.isDirectory()) return [name, `directory ${mode}`];
    const owner = stat.uid === process.getuid?.() ? "" : ` of ${stat.uid}:${stat.gid}`;
    return [name, `file ${mode}${owner} ${await readFile(place, "base64")}`];
  });
  return Object.fromEntries(await Promise.all(lines)) as Record<string, string>;
}
