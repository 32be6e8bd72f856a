import type { Docker } from "../docker/docker.ts";

/** How far back the reason may be: etcd is started again and again, and each start writes a page. */
const LINES = 200;
/** How much is told of a line that is not understood. */
const LONGEST = 300;

/** Why etcd ended, in its own words: its last fatal line, or what it wrote last. */
export async function lastWords(docker: Docker): Promise<string> {
  const lines = (await docker.logs("etcd", LINES)).trim().split("\n").reverse();
  const reason = lines.map(reasonOf).find((words) => words !== undefined);
  return reason ?? (lines[0] ?? "").slice(0, LONGEST);
}

/** @see https://pkg.go.dev/go.uber.org/zap/zapcore#Level */
const GRAVE = new Set(["fatal", "panic", "dpanic"]);

function reasonOf(line: string): string | undefined {
  if (/^(panic|fatal error): /.test(line)) return line.slice(0, LONGEST);
  try {
    const { level, msg, error } = JSON.parse(line) as { level?: string; msg?: string; error?: string };
    if (!level || !GRAVE.has(level)) return undefined;
    return [msg, error].filter(Boolean).join(": ").slice(0, LONGEST);
  } catch {
    return undefined;
  }
}
