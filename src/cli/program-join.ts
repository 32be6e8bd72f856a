import { type Command, Option } from "commander";
import type { ProgramOptions } from "./program.ts";
import { action, outputOption } from "./program-action.ts";

/** The commands by which a cluster grows. */
export function addJoin(program: Command, all: ProgramOptions): void {
  addJoinCommand(program, all);
  addToken(program, all);
}

function addJoinCommand(program: Command, all: ProgramOptions): void {
  const { io, signal } = all;
  const command = program
    .command("join [address]")
    .description("Make this host a node of a cluster, as a worker or as a further master.")
    .option("--token-file <file>", "file with the token; - for standard input")
    .option("--token <token>", "the token; everybody on this host can see it, so better --token-file")
    .addOption(outputOption());
  for (const { flags, description } of all.configFlags) command.addOption(new Option(flags, description));
  command
    .addHelpText(
      "after",
      `
ADDRESS is that of any master, or the one that the masters share; :PORT when it is not 6442. The token says what the host will be. What the
host lacks of the bundle comes from the masters. Run again, without address and token, it finishes what was interrupted.

Examples:
  nodelet join 10.0.0.5 --token-file /root/token
  nodelet join 10.0.0.5:6442 --token-file - < /media/usb/token
  nodelet join                                # after an interruption`,
    )
    .action(
      action(all, async (options, [address]) =>
        (await import("./join.ts")).join(io, { options, signal, ...(address !== undefined && { address }) }),
      ),
    );
}

function addToken(program: Command, all: ProgramOptions): void {
  const { io, signal } = all;
  const token = program
    .command("token")
    .description("Make and revoke tokens, with which hosts join this cluster.");
  const module = () => import("./token.ts");
  token
    .command("create")
    .description("Make a token, and print the command for the new host.")
    .addOption(
      new Option("--role <role>", "what the host will be")
        .choices(["master", "worker"])
        .makeOptionMandatory(),
    )
    .option("--ttl <duration>", "how long it is good (default: 24h for a worker, 2h for a master)")
    .option("--uses <number>", "how many hosts may join with it", "1")
    .option("-q, --quiet", "print the token alone")
    .addOption(outputOption())
    .addHelpText(
      "after",
      "\nExamples:\n  nodelet token create --role worker --uses 3\n  nodelet token create --role master -q > /media/usb/token",
    )
    .action(action(all, async (options) => (await module()).tokenCreate(io, { options, signal })));
  token
    .command("list")
    .description("List the tokens; never what is secret of them.")
    .addOption(outputOption())
    .addHelpText("after", "\nExample:\n  nodelet token list")
    .action(action(all, async (options) => (await module()).tokenList(io, { options, signal })));
  token
    .command("revoke <id>")
    .description("Make a token worthless. Nodes that joined with it stay.")
    .addOption(outputOption())
    .addHelpText("after", "\nExample:\n  nodelet token revoke x3k9qp")
    .action(
      action(all, async (options, [id]) =>
        (await module()).tokenRevoke(io, { options, id: id ?? "", signal }),
      ),
    );
}
