import type { Command } from "commander";
import type { ProgramOptions } from "./program.ts";
import { action, outputOption } from "./program-action.ts";

/** `etcd …` and `node …`: the cluster, seen from a master. */
export function addCluster(program: Command, all: ProgramOptions): void {
  addEtcd(program, all);
  addNode(program, all);
}

function addEtcd(program: Command, all: ProgramOptions): void {
  const { io, signal } = all;
  const etcd = program.command("etcd").description("Look at the members of etcd, on a master.");
  const module = () => import("./etcd.ts");
  etcd
    .command("members")
    .description("List the members; the exit code is 1 when one is not well.")
    .addOption(outputOption())
    .addHelpText("after", "\nExample:\n  nodelet etcd members -o json")
    .action(action(all, async (options) => (await module()).etcdMembers(io, { options, signal })));
  etcd
    .command("status")
    .description("Show how each member is, and how many may fail; the exit code is 1 when one is not well.")
    .addOption(outputOption())
    .addHelpText("after", "\nExample:\n  nodelet etcd status")
    .action(action(all, async (options) => (await module()).etcdStatus(io, { options, signal })));
}

function addNode(program: Command, all: ProgramOptions): void {
  const { io, signal } = all;
  const node = program.command("node").description("Change the nodes of the cluster, on a master.");
  node
    .command("remove <name>")
    .description("Take a node out of the cluster, whether it lives or not.")
    .option(
      "--force",
      "delete its pods instead of asking them to go, and do not wait for its kubelet to stop",
    )
    .option("--yes", "do not ask")
    .addOption(outputOption())
    .addHelpText(
      "after",
      `
It is drained and stopped, and goes out of etcd where it is a master; what it was given to come back with ends. A master
without which etcd has no majority is not removed. Run again, it finishes what was interrupted.

Examples:
  nodelet node remove worker-3
  nodelet node remove master-2 --yes    # burnt: a new one of the same name may join at once`,
    )
    .action(
      action(all, async (options, [name = ""]) =>
        (await import("./node-remove.ts")).nodeRemove(io, { options, name, signal }),
      ),
    );
}
