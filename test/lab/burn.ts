// Takes all the CPU it can get inside of a limited cgroup, with a child, and prints what the kernel has counted.
// Arguments: the name of the cgroup, percent of a core, milliseconds.
import { existsSync, readFileSync } from "node:fs";
import { openCgroup } from "../../src/host/cgroup.ts";

const [name = "", percent = "", ms = ""] = process.argv.slice(2);

/** The groups that a process is in, in the hierarchies that matter. */
function groupsOf(pid: number | "self"): string[] {
  return readFileSync(`/proc/${pid}/cgroup`, "utf8")
    .trim()
    .split("\n")
    .filter((line) => /:cpu(,cpuacct)?:|:cpuacct:|^0::/.test(line));
}

const before = groupsOf("self");
const cgroup = openCgroup({ name, cpuPercent: Number(percent) });
const opened = groupsOf("self");
const inside = await cgroup.within(async () => {
  const child = Bun.spawn(["/bin/sh", "-c", "while :; do :; done"]);
  const end = performance.now() + Number(ms);
  while (performance.now() < end) Math.random();
  const groups = { self: groupsOf("self"), child: groupsOf(child.pid) };
  child.kill("SIGKILL");
  await child.exited;
  return groups;
});
const failed = await cgroup
  .within(async () => {
    throw new Error("of the work");
  })
  .catch((error: Error) => error.message);
const after = groupsOf("self");
const usage = cgroup.usage();
// A program that was left behind does not keep the cgroup.
const left = await cgroup.within(async () => Bun.spawn(["/bin/sleep", "60"]));
cgroup.remove();
cgroup.remove();
const removed = { there: existsSync(cgroup.path), left: groupsOf(left.pid), self: groupsOf("self") };
left.kill();
process.stdout.write(
  `${JSON.stringify({ version: cgroup.version, path: cgroup.path, before, opened, inside, failed, after, usage, removed })}\n`,
);
process.exit(0);
