import { Command, Option } from "commander";
import type { ConfigFlag } from "../config/flags.ts";
import { UsageError } from "../errors.ts";
import { action, outputOption } from "./program-action.ts";
import { addBundle } from "./program-bundle.ts";
import { addCluster } from "./program-cluster.ts";
import { addJoin } from "./program-join.ts";
import { addPreflight } from "./program-preflight.ts";
import { VERSION, versionText } from "./version.ts";
import type { Io } from "./io.ts";

/** What the program is made of. */
export interface ProgramOptions {
  io: Io;
  signal: AbortSignal;
  /** Where systemd wants to hear from the daemon. */
  notifySocket: string | undefined;
  /** Called with the exit code of the command that ran. */
  done(code: number): void;
  /** Flags of `init` that stand for keys of the configuration; left out where nobody needs them. */
  configFlags: readonly ConfigFlag[];
}

const dryRunOption = () => new Option("--dry-run", "print what would change, and change nothing");

/** Builds the command line. What a command does is loaded when it runs, so that the others start fast. */
export function buildProgram(options: ProgramOptions): Command {
  const program = new Command("nodelet")
    .description(
      "Turns a Linux host into a Kubernetes node, phase by phase, and can stop, inspect and undo it.",
    )
    .version(VERSION, "-V, --version")
    .option("--root <dir>", "work on the files below this directory, and on nothing else", "/")
    .option("--config <path>", "configuration file or directory (default: /etc/pf9/nodelet)")
    .option("--verbose", "show every change and every wait")
    .exitOverride()
    .configureOutput({ writeOut: options.io.out, writeErr: options.io.err, outputError() {} });
  for (const add of [
    addInit,
    addJoin,
    addPreflight,
    addReset,
    addPhases,
    addStatus,
    addDaemon,
    addCluster,
    addBundle,
    addCerts,
    addKubeconfig,
    addConfig,
    addVersion,
    addCompletion,
  ]) {
    add(program, options);
  }
  return program;
}

function addInit(program: Command, all: ProgramOptions): void {
  const { io, signal } = all;
  const command = program
    .command("init")
    .description("Make this host the first master of a cluster.")
    .addOption(outputOption())
    .addOption(dryRunOption());
  for (const { flags, description } of all.configFlags) command.addOption(new Option(flags, description));
  command
    .addHelpText(
      "after",
      `
Examples:
  nodelet init                              # the usual way; again, it finishes what was interrupted
  nodelet init --dry-run                    # what would change on this host
  nodelet init --node-ip 10.0.0.5           # a host with several addresses
  nodelet init --bundle /media/usb/bundle   # a program without a bundle behind it`,
    )
    .action(action(all, async (options) => (await import("./init.ts")).init(io, { options, signal })));
}

function addReset(program: Command, all: ProgramOptions): void {
  program
    .command("reset")
    .description("Undo everything that nodelet changed on this host.")
    .option("--yes", "do not ask")
    .option(
      "--keep-data [dir]",
      "put etcd's data and the certificates aside (default: /var/opt/pf9-kept-TIME)",
    )
    .option("--verify", "only compare the host with what it was before init")
    .option("--abandon-cluster", "give the whole cluster up: leave other masters without a majority")
    .addOption(outputOption())
    .addOption(dryRunOption())
    .addHelpText(
      "after",
      `
After the undoing, the host is compared with what it was before init. Exit codes:
  0    equal
  1    something differs, or could not be undone: each is a line

A node of a cluster leaves it first. A master without which etcd has no majority, or may have none, is not reset: bring
the others up before. Masters that are well are reset one after the other, to the last.

Examples:
  nodelet reset --dry-run
  nodelet reset --yes
  nodelet reset --keep-data=/backup/node1
  nodelet reset --verify`,
    )
    .action(action(all, async (options) => (await import("./reset.ts")).reset(all.io, { options })));
}

const PHASES_HELP = `
A site adds its own steps as executables /etc/pf9/nodelet/phases.d/NNN-name, which only root may write. They run by
their number among the phases, with kube.env as environment and their output in kube.log. Each answers the words
  name             prints its title, one line
  start, stop      exit code 0 when done; a last line "unchanged" when there was nothing to do
  can_run_status   exit code 0 when it answers the next
  status           exit code 0 when all is well, else the last line says what is wrong
Start and stop may be run again at any time, and are killed after phaseScriptTimeoutSeconds. What a script changes on
the host is its own business: it is not in the journal, and reset neither runs it nor undoes it.`;

function addPhases(program: Command, all: ProgramOptions): void {
  const { io, signal } = all;
  const phases = program
    .command("phases")
    .description("List, start, stop and inspect the phases that bring this node up.")
    .addHelpText("after", PHASES_HELP);
  const module = () => import("./phases.ts");
  const single = () => new Option("--single", "only that one phase");
  phases
    .command("list")
    .description("List the phases with their index numbers.")
    .addOption(outputOption())
    .addHelpText("after", "\nExample:\n  nodelet phases list -o json")
    .action(action(all, async (options) => (await module()).listPhases(io, { options, signal })));
  phases
    .command("status")
    .description("Probe the phases; the exit code is 1 when one does not run.")
    .option("-p, --phase <phase>", "only this phase: index or id")
    .addOption(outputOption())
    .addHelpText("after", "\nExamples:\n  nodelet phases status\n  nodelet phases status -p 055-etcd-run")
    .action(action(all, async (options) => (await module()).phasesStatus(io, { options, signal })));
  phases
    .command("start")
    .description("Start all phases, or those from one on.")
    .option("-p, --from-phase <phase>", "begin with this phase: index or id")
    .addOption(single())
    .addOption(outputOption())
    .addOption(dryRunOption())
    .addHelpText(
      "after",
      "\nExamples:\n  nodelet phases start\n  nodelet phases start --from-phase 7\n  nodelet phases start -p etcd-run --single",
    )
    .action(
      action(all, async ({ fromPhase, ...rest }) =>
        (await module()).phasesStart(io, { options: { ...rest, phase: fromPhase }, signal }),
      ),
    );
  phases
    .command("stop")
    .description("Stop all phases, last first, or those down to one.")
    .option("-p, --till-phase <phase>", "end with this phase: index or id")
    .addOption(single())
    .option("--force", "go on past a phase that does not stop")
    .addOption(outputOption())
    .addOption(dryRunOption())
    .addHelpText(
      "after",
      "\nExamples:\n  nodelet phases stop\n  nodelet phases stop --till-phase 11\n  nodelet phases stop -p kube-proxy-start --single",
    )
    .action(
      action(all, async ({ tillPhase, ...rest }) =>
        (await module()).phasesStop(io, { options: { ...rest, phase: tillPhase }, signal }),
      ),
    );
  phases
    .command("restart")
    .description("Stop and start all phases, or those from one on. Certificates stay; nothing is drained.")
    .option("-p, --phase <phase>", "from this phase on: index or id")
    .addOption(single())
    .option("--force", "go on past a phase that does not stop")
    .option("--regen-certs", "issue all certificates of this node anew; the authorities stay")
    .addOption(outputOption())
    .addOption(dryRunOption())
    .addHelpText(
      "after",
      "\nExamples:\n  nodelet phases restart -p kubelet-configure-start\n  nodelet phases restart --regen-certs",
    )
    .action(action(all, async (options) => (await module()).phasesRestart(io, { options, signal })));
}

function addStatus(program: Command, all: ProgramOptions): void {
  program
    .command("status")
    .description("Show how this node is; the exit code tells its state.")
    .option("--watch", "again every second, until Ctrl-C; into a file or pipe only what changed")
    .addOption(outputOption())
    .addHelpText(
      "after",
      `
Exit codes:
  0    ok
  1    failed, or this host is not a node
  6    converging or retrying: the daemon, or an operator, is at it
  7    stopped on purpose: phases by hand, or all by kubeServiceState

Examples:
  nodelet status -o yaml
  nodelet status --watch
  nodelet status --watch -o json | jq .state    # a line for every change`,
    )
    .action(
      action(all, async (options) =>
        (await import("./status.ts")).nodeStatus(all.io, { options, signal: all.signal }),
      ),
    );
}

function addDaemon(program: Command, all: ProgramOptions): void {
  const { io, signal, notifySocket } = all;
  program
    .command("daemon")
    .description("Keep this node as declared. Started by pf9-nodeletd.service, not by hand.")
    .action(
      action(all, async (options) =>
        (await import("./daemon.ts")).daemon(io, {
          options,
          signal,
          env: { notifySocket },
        }),
      ),
    );
  program
    .command("reconcile <task>", { hidden: true })
    .option("--from <phase>")
    .action(
      action(all, async (options, [task]) =>
        (await import("./reconcile.ts")).reconcile(io, { options, task, signal }),
      ),
    );
}

function addCerts(program: Command, all: ProgramOptions): void {
  const { io, signal } = all;
  const certs = program.command("certs").description("Look at this node's certificates.");
  const module = () => import("./certs.ts");
  certs
    .command("list")
    .description("List the certificates, how long they last, and what is wrong with them.")
    .addOption(outputOption())
    .addHelpText("after", "\nExample:\n  nodelet certs list")
    .action(action(all, async (options) => (await module()).certsList(io, { options, signal })));
  certs
    .command("csr")
    .description("Write requests for the certificates that an authority elsewhere must sign. Keys stay here.")
    .addOption(outputOption())
    .addHelpText("after", "\nExample:\n  cp ca.crt /etc/pf9/kube.d/certs/ && nodelet certs csr")
    .action(action(all, async (options) => (await module()).certsCsr(io, { options, signal })));
}

function addKubeconfig(program: Command, all: ProgramOptions): void {
  program
    .command("kubeconfig")
    .description("Print the administrator's kubeconfig. It opens everything: keep it to yourself.")
    .option("--server <url>", "address of the API server in it (default: the masters' address)")
    .addHelpText("after", "\nExample:\n  umask 077; nodelet kubeconfig > ~/.kube/config")
    .action(
      action(all, async (options) =>
        (await import("./kubeconfig.ts")).kubeconfig(all.io, { options, signal: all.signal }),
      ),
    );
}

function addConfig(program: Command, all: ProgramOptions): void {
  const config = program.command("config").description("Look at and check the configuration.");
  const module = () => import("./config.ts");
  config
    .command("default")
    .description("Print a commented configuration with every key and its default.")
    .addHelpText("after", "\nExample:\n  nodelet config default > /etc/pf9/nodelet/config.yaml")
    .action(action(all, async () => (await module()).configDefault(all.io)));
  config
    .command("validate [file]")
    .description("Check a file, or what is in /etc/pf9/nodelet, and tell every problem at once.")
    .addOption(outputOption())
    .addHelpText("after", "\nExample:\n  nodelet config validate ./config.yaml")
    .action(
      action(all, async (options, [file]) => (await module()).configValidate(all.io, { options, file })),
    );
  config
    .command("schema")
    .description("Print the JSON schema of the configuration.")
    .addHelpText("after", "\nExample:\n  nodelet config schema > nodelet.schema.json")
    .action(action(all, async () => (await module()).configSchema(all.io)));
}

function addVersion(program: Command, all: ProgramOptions): void {
  program
    .command("version")
    .description("Print the version of this program.")
    .addOption(outputOption())
    .addHelpText("after", "\nExample:\n  nodelet version -o json")
    .action(action(all, (options) => versionText(all.io, { options })));
}

function addCompletion(program: Command, all: ProgramOptions): void {
  program
    .command("completion <shell>")
    .description("Print a completion script for bash, zsh or fish.")
    .addHelpText("after", "\nExample:\n  nodelet completion bash > /etc/bash_completion.d/nodelet")
    .action(
      action(all, async (_options, [shell]) => {
        if (!shell) throw new UsageError("Cannot tell which shell; expected bash, zsh or fish");
        return (await import("./completion.ts")).completion(all.io, { program, shell });
      }),
    );
}
