import { Argument, type Command, Option } from "commander";
import type { ProgramOptions } from "./program.ts";
import { action, outputOption } from "./program-action.ts";

/** The commands that look at a host before it is changed, and explain what they found. */
export function addPreflight(program: Command, all: ProgramOptions): void {
  const { io, signal } = all;
  const command = program
    .command("preflight")
    .description(
      "Check this host before it becomes a node, tell all that is wrong at once, and change nothing.",
    )
    .addArgument(
      new Argument("[what]", "what the host is to do: init, or join as a worker (--role master: as a master)")
        .choices(["init", "join"])
        .default("init"),
    )
    .addOption(outputOption());
  for (const { flags, description } of all.configFlags) command.addOption(new Option(flags, description));
  command
    .addHelpText(
      "after",
      `
Exit codes:
  0    no failure; there may be warnings
  3    a failure: the host cannot become a node as it is

Examples:
  nodelet preflight                                   # as root: all of it; as another user: what can be seen
  nodelet preflight --bundle /media/usb/bundle        # with the bundle that it will be made from
  nodelet preflight join -o json | jq .failures`,
    )
    .action(
      action(all, async (options, [what]) =>
        (await import("./preflight.ts")).preflight(io, {
          options,
          what: what === "join" ? "join" : "init",
          signal,
        }),
      ),
    );
  program
    .command("explain [code]")
    .description("Tell what a finding of preflight means and what to do; without a code, list them all.")
    .addOption(outputOption())
    .addHelpText("after", "\nExamples:\n  nodelet explain\n  nodelet explain PortInUse")
    .action(
      action(all, async (options, [code]) =>
        (await import("./explain.ts")).explainCode(io, { options, code }),
      ),
    );
}
