import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { say } from "./progress.ts";
import { run } from "./run.ts";

/** One entry of the machine's own package sources. */
export interface AptEntry {
  uri: string;
  suites: string[];
  components: string[];
  /** The keyring that signs it, as the machine has it configured. */
  signedBy?: string;
}

const APT_ENV = {
  ...(process.env as Record<string, string>),
  DEBIAN_FRONTEND: "noninteractive",
  LC_ALL: "C",
};
let updated = false;

/** Fetches the package lists, at most once in a run. */
export async function aptUpdate(): Promise<void> {
  if (updated) return;
  await run(["apt-get", "update", "-qq"], { env: APT_ENV });
  updated = true;
}

/** Those of the packages that are not installed. */
async function missing(packages: string[]): Promise<string[]> {
  const { stdout } = await run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", ...packages], {
    accept: [0, 1],
  });
  const installed = new Set(
    stdout
      .split("\n")
      .filter((line) => line.endsWith(" installed"))
      .map((line) => line.split(" ")[0]),
  );
  return packages.filter((name) => !installed.has(name));
}

/**
 * Makes sure Debian packages are installed; fetches nothing when they are. Services of new packages are not started: some
 * belong to a machine that runs a container engine of its own.
 *
 * @throws When apt cannot install them.
 */
export async function ensurePackages(packages: string[]): Promise<void> {
  const wanted = await missing(packages);
  if (wanted.length === 0) return;
  const started = performance.now();
  say(`apt: installing ${wanted.join(", ")} …`);
  await aptUpdate();
  // Another apt (unattended upgrades of a fresh machine) may hold the lock for a while.
  const options = ["-y", "-qq", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"];
  await run(["apt-get", "install", ...options, ...wanted], {
    env: { ...APT_ENV, RUNLEVEL: "1", SYSTEMD_OFFLINE: "1" },
  });
  say(`apt: installed ${wanted.length} packages, ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

/**
 * The machine's own sources for a Debian suite: no address is written down in this project.
 *
 * @param suite For example `bookworm`.
 * @throws When the machine has none.
 */
export async function aptEntries(suite: string): Promise<AptEntry[]> {
  const directory = "/etc/apt/sources.list.d";
  const names = existsSync(directory) ? (await readdir(directory)).sort() : [];
  const files = names.map((name) => join(directory, name));
  const entries: AptEntry[] = [];
  for (const file of ["/etc/apt/sources.list", ...files]) {
    if (!existsSync(file)) continue;
    const text = await readFile(file, "utf8");
    if (file.endsWith(".sources")) entries.push(...parseDeb822(text));
    else if (file.endsWith(".list")) entries.push(...parseOneLine(text));
  }
  const found = entries.filter((entry) => entry.suites.includes(suite) && entry.components.includes("main"));
  if (found.length === 0) {
    throw new Error(
      `Cannot find package sources of Debian "${suite}" in /etc/apt: found none; expected an entry with its main component`,
    );
  }
  return found;
}

/** Reads a deb822 file: stanzas of `Field: value`, where a line that starts with a blank continues the value. */
function parseDeb822(text: string): AptEntry[] {
  const entries: AptEntry[] = [];
  const lines = text.split("\n").filter((line) => !line.startsWith("#"));
  for (const stanza of lines.join("\n").split(/\n\s*\n/)) {
    const fields = new Map<string, string>();
    for (const match of stanza.matchAll(/^([A-Za-z-]+):((?:.*)(?:\n[ \t].*)*)/gm)) {
      fields.set((match[1] ?? "").toLowerCase(), (match[2] ?? "").trim());
    }
    const words = (name: string) => (fields.get(name) ?? "").split(/\s+/).filter((word) => word !== "");
    if (!words("types").includes("deb") || fields.get("enabled") === "no") continue;
    const signedBy = fields.get("signed-by");
    for (const uri of words("uris")) {
      entries.push({
        uri,
        suites: words("suites"),
        components: words("components"),
        ...(signedBy?.startsWith("/") ? { signedBy } : {}),
      });
    }
  }
  return entries;
}

/** Reads the one-line form: `deb [signed-by=FILE …] URI SUITE COMPONENT…`. */
function parseOneLine(text: string): AptEntry[] {
  const entries: AptEntry[] = [];
  for (const match of text.matchAll(/^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(.+)$/gm)) {
    const signedBy = /signed-by=(\S+)/.exec(match[1] ?? "")?.[1];
    const components = (match[4] ?? "").split("#")[0]?.trim().split(/\s+/) ?? [];
    entries.push({
      uri: match[2] ?? "",
      suites: [match[3] ?? ""],
      components,
      ...(signedBy?.startsWith("/") ? { signedBy } : {}),
    });
  }
  return entries;
}

/**
 * Fetches the source package of a Debian suite; apt checks it against the signed lists.
 *
 * @param directory Where the files go.
 * @param version The exact version wanted.
 * @throws When the mirror has no such version.
 */
export async function downloadSource(
  name: string,
  version: string,
  suite: string,
  directory: string,
): Promise<void> {
  const parts = join(directory, "apt", "sources.list.d");
  const lists = join(directory, "apt", "lists");
  await mkdir(parts, { recursive: true });
  await mkdir(join(lists, "partial"), { recursive: true });
  const stanzas = (await aptEntries(suite)).map((entry) =>
    [
      "Types: deb-src",
      `URIs: ${entry.uri}`,
      `Suites: ${entry.suites.join(" ")}`,
      `Components: ${entry.components.join(" ")}`,
      ...(entry.signedBy === undefined ? [] : [`Signed-By: ${entry.signedBy}`]),
    ].join("\n"),
  );
  await writeFile(join(parts, "source.sources"), `${stanzas.join("\n\n")}\n`);
  const options = [
    "-o",
    "Dir::Etc::sourcelist=/dev/null",
    "-o",
    `Dir::Etc::sourceparts=${parts}`,
    "-o",
    `Dir::State::lists=${lists}`,
  ];
  await run(["apt-get", "update", "-qq", ...options], { env: APT_ENV });
  await run(["apt-get", "source", "-qq", "--download-only", ...options, `${name}=${version}`], {
    env: APT_ENV,
    cwd: directory,
  });
}

/**
 * Fetches binary packages without installing them; apt checks them against the signed lists.
 *
 * @param packages `name` or `name=version`.
 * @param directory Where the .deb files go.
 */
export async function downloadPackages(packages: string[], directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await aptUpdate();
  await run(["apt-get", "download", "-qq", ...packages], { env: APT_ENV, cwd: directory });
}
