import { readSync } from "node:fs";
import { CommanderError } from "commander";
import { AppError, codeOf, ConfigError, ExitCode, messageOf, PreflightError, UsageError } from "./errors.ts";
import type { Io } from "./cli/io.ts";
import { forgetProxies } from "./proxies.ts";
import { buildProgram } from "./cli/program.ts";

const io: Io = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  terminal: process.stderr.isTTY === true,
  screen: process.stdout.isTTY === true,
  ask(question) {
    if (!process.stdin.isTTY) return undefined;
    process.stderr.write(question);
    const buffer = Buffer.alloc(256);
    return buffer.subarray(0, readSync(0, buffer)).toString();
  },
};

/** The first signal asks to end at the next safe point; the second ends at once. @param quiet nothing is under way */
function cancelOnSignals({ quiet }: { quiet: boolean }): AbortSignal {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(ExitCode.interrupted);
    controller.abort();
    if (!quiet) io.err("\nInterrupted: ending at the next safe point; again to end at once\n");
  };
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, onSignal);
  return controller.signal;
}

/** Who writes to a pipe that nobody reads any more, or to a full disk, is told so by an event. */
function endWithOutput(): void {
  process.stdout.on("error", (error) => {
    // `nodelet status --watch | head -1` has what it wanted.
    if (codeOf(error) !== "EPIPE") io.err(`error: Cannot write the result: ${messageOf(error)}\n`);
    process.exit(ExitCode.failed);
  });
  // Progress that nobody sees is no reason to stop in the middle of a change.
  process.stderr.on("error", () => {});
}

/** Shows an error as the operator can use it, and gives the exit code. Never a stack trace. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return reportUsage(error);
  if (!(error instanceof AppError)) {
    io.err(`error: ${messageOf(error)}\n`);
    return ExitCode.failed;
  }
  io.err(`error: ${messageOf(error)}\n`);
  if (error instanceof ConfigError) for (const problem of error.problems) io.err(`  ${problem}\n`);
  if (error instanceof PreflightError) {
    for (const { code, message, hint } of error.findings)
      io.err(`  [${code}] ${message}${hint ? `\n    ${hint}` : ""}\n`);
  }
  if (error.hint) io.err(`  ${error.hint}\n`);
  return error.exitCode;
}

function reportUsage(error: CommanderError): number {
  // Help and version were asked for and are printed already.
  if (error.exitCode === 0) return ExitCode.ok;
  if (error.code !== "commander.help") io.err(`${error.message}\n  see nodelet --help\n`);
  return ExitCode.usage;
}

async function main(argv: readonly string[]): Promise<number> {
  endWithOutput();
  forgetProxies(process.env);
  let code: number = ExitCode.ok;
  // The keys of the configuration cost more to load than all the rest of the command line.
  const needsFlags = argv.some((word) => ["init", "join", "preflight", "completion"].includes(word));
  const configFlags = needsFlags ? (await import("./config/flags.ts")).configFlags() : [];
  const program = buildProgram({
    io,
    signal: cancelOnSignals({ quiet: argv.includes("--watch") }),
    configFlags,
    notifySocket: process.env["NOTIFY_SOCKET"],
    done(value) {
      code = value;
    },
  });
  if (argv.length === 0)
    throw new UsageError("Cannot tell what to do: no command was given", { hint: "see nodelet --help" });
  await program.parseAsync([...argv], { from: "user" });
  return code;
}

/** A pipe holds 64 KiB; what else was written is lost with the process until the reader has taken it. */
async function flush(): Promise<void> {
  for (const stream of [process.stdout, process.stderr])
    await new Promise<void>((resolve) => void stream.end(() => resolve()));
}

const code = await main(process.argv.slice(2)).catch(report);
await flush();
process.exit(code);
