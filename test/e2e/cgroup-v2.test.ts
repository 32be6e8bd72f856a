import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../scripts/lib/run.ts";
import { runInVm, vmAvailable } from "../../scripts/lab/vm.ts";
import { type Burnt, expectHeldTo } from "../lab/accounts.ts";

const top = join(import.meta.dir, "../..");
const service = "/system.slice/pf9-nodeletd.service";
const name = "pf9-kube-status";

/** A kernel with all controllers in version 2, as systemd sets it up, and the daemon's group where systemd would put it. */
const SCRIPT = `
mount -t cgroup2 none /sys/fs/cgroup
cd /sys/fs/cgroup
mkdir -p .${service} user.slice/session-1.scope
echo +cpu > cgroup.subtree_control
echo +cpu > system.slice/cgroup.subtree_control
sh -c 'echo $$ > .${service}/cgroup.procs; exec /bin/burn ${name} 20 4000'
echo "LEFT $(ls -d .${service}/*/ 2>/dev/null) $(cat .${service}/cgroup.subtree_control)"
sleep 1000 &
echo $! > user.slice/session-1.scope/cgroup.procs
sh -c 'echo $$ > user.slice/session-1.scope/cgroup.procs; exec /bin/burn ${name} 20 4000'
echo "LEFT $(ls -d user.slice/session-1.scope/*/ 2>/dev/null) $(cat user.slice/session-1.scope/cgroup.subtree_control)"
`;

describe.skipIf(!vmAvailable)("cgroups of version 2, on a kernel of its own", () => {
  let burnt: Burnt[] = [];
  let left: string[] = [];
  let room = "";

  beforeAll(async () => {
    room = await mkdtemp(join(tmpdir(), "nodelet-burn-"));
    const program = join(room, "burn");
    await run([process.execPath, "build", "--compile", join(top, "test/lab/burn.ts"), "--outfile", program]);
    const lines = (await runInVm({ script: SCRIPT, programs: { "/bin/burn": program } })).split("\n");
    burnt = lines.filter((line) => line.startsWith('{"version"')).map((line) => JSON.parse(line) as Burnt);
    left = lines.filter((line) => line.startsWith("LEFT")).map((line) => line.slice("LEFT".length).trim());
  }, 240_000);

  afterAll(() => rm(room, { recursive: true, force: true }));

  /** What was printed in one of the two runs. */
  const result = (at: number): Burnt => {
    const found = burnt[at];
    if (!found) throw new Error(`The machine has printed ${burnt.length} results; expected 2`);
    return found;
  };

  test("two busy programs of a service are held to the limit, by the kernel's own account", () => {
    expect(result(0).version).toBe(2);
    expectHeldTo(20, result(0));
  });

  test("the service's group is divided, and the programs go in and out", () => {
    const { path, before, opened, inside, failed, after } = result(0);
    expect(path).toBe(`/sys/fs/cgroup${service}/${name}`);
    expect(before).toEqual([`0::${service}`]);
    expect(opened).toEqual([`0::${service}/supervisor`]);
    expect(inside).toEqual({ self: [`0::${service}/${name}`], child: [`0::${service}/${name}`] });
    expect([failed, after]).toEqual(["of the work", opened]);
  });

  test("at the end it is one group again, with what was left in it", () => {
    expect(result(0).removed).toEqual({ there: false, left: [`0::${service}`], self: [`0::${service}`] });
    expect(left[0]).toBe("");
  });

  test("a group with others in it is not divided: the limit is below the root, and holds as well", () => {
    const session = ["0::/user.slice/session-1.scope"];
    const { path, before, opened, inside, after, removed } = result(1);
    expect(path).toBe(`/sys/fs/cgroup/${name}`);
    expect([before, opened, after]).toEqual([session, session, session]);
    expect(inside).toEqual({ self: [`0::/${name}`], child: [`0::/${name}`] });
    expect(removed).toEqual({ there: false, left: session, self: session });
    expectHeldTo(20, result(1));
    expect(left[1]).toBe("");
  });
});
