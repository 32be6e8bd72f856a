// Runs all tests, or one layer or story of them, and ends with one line: N passed, N failed[, N skipped].
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { APPLIANCE, makeAppliance } from "./appliance.ts";
import { assembleStack } from "./assemble.ts";
import { buildProgram } from "./build.ts";
import { ensureEngine } from "./lab/engine.ts";
import { ensureImage } from "./lab/image.ts";
import { Cache } from "./lib/cache.ts";
import { type Failure, failuresIn, recap } from "./lib/failures.ts";
import { elapsed, runScript, say } from "./lib/progress.ts";

const top = join(import.meta.dir, "..");
const bun = join(top, "node_modules/.bin/bun");

/** The longest that one test of a story may take. */
const STORY_TIMEOUT_MS = 300_000;

/** One more than the cores of the smallest machine that we test on: most of a story is waiting. */
const STORIES_AT_ONCE = 3;

/** Stories of more than two minutes, the longest first. */
const LONGEST = ["pod-network", "fault-kill", "fault-signals", "bare-cycles", "phases", "bare-init", "reset"];

/** Stories that take much longer than all others together: they run with `--all`, or by name. */
const LONG = ["daemon-power", "daemon-kill", "daemon-cycles", "etcd-join"];

/** Clusters of five hosts, whose etcd elects new leaders when others take the processors from it: nothing runs beside them. */
const ALONE = ["ha"];

const LAYERS = ["check", "fmt", "rules", "unit", "contract", "e2e"] as const;
type Layer = (typeof LAYERS)[number];

const HELP = `Usage: scripts/test [--all] [--layer NAME]... [--story NAME]...

Runs ${LAYERS.join(", ")}. Ends with "N passed, N failed".

  --all          the long stories as well, as every night: ${LONG.join(", ")}
  --layer NAME   only this layer; may be given again
  --story NAME   only the e2e story test/e2e/NAME.test.ts; may be given again
  KEEP=failure   leave lab hosts up after a failing story; KEEP=always: after any; the clean-up line is printed

Examples:
  scripts/test --layer check --layer unit
  KEEP=failure scripts/test --story init
`;

/** What a part of the run counted. */
interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  failures: Failure[];
}

const nothing = (): Counts => ({ passed: 0, failed: 0, skipped: 0, failures: [] });

/** Runs a command, shows its output as it comes, and counts it as one test. */
async function single(argv: string[]): Promise<Counts> {
  const code = await Bun.spawn(argv, { cwd: top, stdout: "inherit", stderr: "inherit" }).exited;
  if (code === 0) return { ...nothing(), passed: 1 };
  const failure = { where: argv.join(" "), name: `ended with code ${code}`, detail: "" };
  return { ...nothing(), failed: 1, failures: [failure] };
}

/**
 * Runs test files in a process of their own, and reads the counts from bun's closing lines.
 *
 * @param options `together`: other files run at the same time, so the output is shown whole at the end
 */
async function tests(files: string[], options: { timeoutMs: number; together?: boolean }): Promise<Counts> {
  const argv = [bun, "test", "--timeout", String(options.timeoutMs), ...files.map((file) => `./${file}`)];
  const child = Bun.spawn(argv, { cwd: top, stdout: "ignore", stderr: "pipe" });
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stderr) {
    if (!options.together) process.stderr.write(chunk);
    text += decoder.decode(chunk, { stream: true });
  }
  if (options.together) process.stderr.write(text);
  const code = await child.exited;
  const count = (word: string) => Number(new RegExp(`^\\s*(\\d+) ${word}$`, "m").exec(text)?.[1] ?? 0);
  const failures = failuresIn(text);
  // A crash, or a file that cannot be loaded, is not in bun's counts.
  const crashed = code !== 0 && count("fail") === 0;
  if (crashed)
    failures.push({ where: files.join(" "), name: `ended with code ${code}`, detail: text.trim() });
  const skipped = count("skip") + count("todo");
  return { passed: count("pass"), failed: crashed ? 1 : count("fail"), skipped, failures };
}

async function testFiles(folder: string): Promise<string[]> {
  const names = await readdir(join(top, folder), { recursive: true });
  return names
    .filter((name) => name.endsWith(".test.ts"))
    .sort()
    .map((name) => join(folder, name));
}

/**
 * Runs stories, each in a process of its own with lab hosts of its own: one that hangs or crashes takes no other with it.
 * Most of a story is waiting for a cluster, so several run at the same time.
 */
async function e2e(stories: string[], all: boolean): Promise<Counts> {
  await prepareLab();
  const wanted = stories.map((story) => join("test/e2e", `${story}.test.ts`));
  const files =
    wanted.length > 0 ? wanted : (await testFiles("test/e2e")).filter((file) => all || !isLong(file));
  const sum = nothing();
  const left = files.toSorted((a, b) => rank(a) - rank(b));
  const work = async (queue: string[]) => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const started = performance.now();
      say(`--- begin ${file}`);
      const counts = await tests([file], { timeoutMs: STORY_TIMEOUT_MS, together: files.length > 1 });
      add(sum, counts);
      const states = `${counts.passed} passed, ${counts.failed} failed`;
      say(`--- end ${file}: ${states}, ${elapsed(started)}; ${queue.length} stories to begin`);
    }
  };
  const alone = left.filter((file) => ALONE.some((name) => isStory(file, name)));
  const together = left.filter((file) => !alone.includes(file));
  await work(alone);
  await Promise.all(Array.from({ length: STORIES_AT_ONCE }, () => work(together)));
  return sum;
}

/** The longest stories begin first, so that none of them is left alone at the end. */
function rank(file: string): number {
  const order = [...LONG, ...LONGEST];
  const at = order.findIndex((name) => isStory(file, name));
  return at === -1 ? order.length : at;
}

function isLong(file: string): boolean {
  return LONG.some((name) => isStory(file, name));
}

function isStory(file: string, name: string): boolean {
  return file.endsWith(`/${name}.test.ts`);
}

async function prepareLab(): Promise<void> {
  const cache = Cache.standard();
  await assembleStack({ out: join(top, "dist/stack"), cache });
  const { bytes } = await makeAppliance(cache);
  say(`${APPLIANCE}: ${(bytes / 1e6).toFixed(1)} MB`);
  await ensureEngine(cache);
  await ensureImage(cache);
  await ensureImage(cache, "bare");
}

function add(sum: Counts, more: Counts): void {
  sum.passed += more.passed;
  sum.failed += more.failed;
  sum.skipped += more.skipped;
  sum.failures.push(...more.failures);
}

await runScript(async () => {
  const { values } = parseArgs({
    options: {
      layer: { type: "string", multiple: true, default: [] },
      story: { type: "string", multiple: true, default: [] },
      all: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return void process.stdout.write(HELP);
  const unknown = values.layer.find((name) => !LAYERS.includes(name as Layer));
  if (unknown) throw new Error(`Cannot run the layer "${unknown}"; expected one of ${LAYERS.join(", ")}`);
  const layers = values.story.length > 0 ? ["e2e"] : values.layer.length > 0 ? values.layer : LAYERS;
  const work: Record<Layer, () => Promise<Counts>> = {
    check: () => single([bun, "check"]),
    fmt: () => single([bun, "fmt", "--check", "."]),
    rules: () => single([bun, "scripts/rules.ts"]),
    unit: async () => tests(await testFiles("test/unit"), { timeoutMs: 30_000 }),
    contract: async () => tests(await testFiles("test/contract"), { timeoutMs: 60_000 }),
    e2e: () => e2e(values.story, values.all),
  };
  const sum = nothing();
  const started = performance.now();
  if (layers.some((layer) => layer === "contract" || layer === "e2e")) {
    const built = await buildProgram();
    say(`built dist/nodelet: ${(built.bytes / 1e6).toFixed(1)} MB, ${elapsed(started)}`);
  }
  for (const layer of LAYERS.filter((name) => layers.includes(name))) {
    const begun = performance.now();
    say(`=== ${layer}`);
    const counts = await work[layer]();
    add(sum, counts);
    say(`=== ${layer}: ${counts.passed} passed, ${counts.failed} failed, ${elapsed(begun)}`);
  }
  process.stderr.write(recap(sum.failures));
  say(`all layers: ${elapsed(started)}`);
  process.stdout.write(
    `${sum.passed} passed, ${sum.failed} failed${sum.skipped > 0 ? `, ${sum.skipped} skipped` : ""}\n`,
  );
  if (sum.failed > 0 || sum.passed === 0) process.exitCode = 1;
});
