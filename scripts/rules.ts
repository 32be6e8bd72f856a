// The house rules that a program can check: length of files, direction of imports, who may write to the console.
import { readdir } from "node:fs/promises";
import { dirname, join, relative } from "node:path";

const top = join(import.meta.dir, "..");
const MAX_LINES = 500;

/** Which rooms a room may not import. Phases, certs and static pods know the engine; the engine knows none of them. */
const FORBIDDEN: { from: RegExp; to: RegExp; why: string }[] = [
  { from: /^src\/(?!cli\/|daemon\/)/, to: /^phases\//, why: "only src/cli and src/daemon know the phases" },
  {
    from: /^src\/(?!cli\/|daemon\/)/,
    to: /^(certs|static-pods)\//,
    why: "the engine knows no certificate and no pod",
  },
  { from: /^(certs|static-pods)\//, to: /^phases\//, why: "phases use them, not the other way round" },
  {
    from: /^(src|phases|certs|static-pods)\//,
    to: /^(scripts|test)\//,
    why: "the program does not know its workshop",
  },
];

async function sources(): Promise<string[]> {
  const folders = ["src", "phases", "certs", "static-pods", "scripts", "test"];
  const found = await Promise.all(
    folders.map(async (folder) =>
      (await readdir(join(top, folder), { recursive: true })).map((name) => join(folder, name)),
    ),
  );
  return found
    .flat()
    .filter((name) => name.endsWith(".ts"))
    .sort();
}

/** Checks one file. @returns the problems, each a line */
function problemsOf(file: string, text: string): string[] {
  const lines = text.split("\n");
  const problems =
    lines.length > MAX_LINES ? [`${file}: ${lines.length} lines; expected at most ${MAX_LINES}`] : [];
  for (const [, target = ""] of text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)) {
    const imported = relative(top, join(top, dirname(file), target));
    for (const rule of FORBIDDEN) {
      if (rule.from.test(file) && rule.to.test(imported))
        problems.push(`${file}: imports ${imported}; ${rule.why}`);
    }
  }
  const inProgram = /^(src|phases|certs|static-pods)\//.test(file) && file !== "src/main.ts";
  if (inProgram && /\bconsole\.|process\.exit\(/.test(text))
    problems.push(`${file}: only src/main.ts writes to the console or exits`);
  return problems;
}

const files = await sources();
const problems = (
  await Promise.all(files.map(async (file) => problemsOf(file, await Bun.file(join(top, file)).text())))
).flat();
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.stderr.write(`${files.length} files, ${problems.length} problems\n`);
if (problems.length > 0) process.exitCode = 1;
