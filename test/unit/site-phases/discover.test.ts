import { describe, expect, test } from "bun:test";
import { chmod, chown, mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { InterruptedError } from "../../../src/errors.ts";
import { paths } from "../../../src/paths.ts";
import { answersOf } from "../../../src/site-phases/answers.ts";
import { discoverSitePhases } from "../../../src/site-phases/discover.ts";
import { reasonOf } from "../runner/help.ts";
import { isAlive, problemsOf, script, siteWorld } from "./help.ts";

const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)("discoverSitePhases()", () => {
  test("finds scripts by name, with their titles and whether they have a check", async () => {
    await using t = await siteWorld({
      "450-mount": script({ title: "Mount the data disk", status: "exit 0" }),
      "076-x": script({ title: "  X ä  " }),
      ".450-mount.swp": "junk",
    });
    const found = await t.find();
    expect(found.map(({ id, title, status }) => ({ id, title, check: status !== undefined }))).toEqual([
      { id: "076-x", title: "X ä", check: false },
      { id: "450-mount", title: "Mount the data disk", check: true },
    ]);
    expect(found[0]?.roles).toEqual(["master", "worker"]);
    expect(found[0]?.onlyFullStop).toBeUndefined();
  });

  test("no directory, and an empty one, have no phases", async () => {
    await using t = await siteWorld({});
    expect(await t.find()).toEqual([]);
    await mkdir(t.root.place(paths.sitePhases), { recursive: true });
    expect(await t.find()).toEqual([]);
  });

  test("names every file that anybody but root could have written, and runs none", async () => {
    const ran = "/tmp-ran";
    await using t = await siteWorld({});
    const touch = `#!/bin/sh\ntouch ${t.root.place(ran)}\necho Title\n`;
    for (const name of ["300-good", "301-open", "302-foreign", "303-plain"])
      await t.root.write(`${paths.sitePhases}/${name}`, touch, 0o755);
    await chmod(t.file("301-open"), 0o775);
    await chown(t.file("302-foreign"), 1234, 0);
    await chmod(t.file("303-plain"), 0o644);
    await symlink(t.file("300-good"), t.file("304-link"));
    await mkdir(t.file("305-dir"));
    expect(await problemsOf(t.find())).toEqual([
      `${t.file("301-open")}: has mode 0775, so others can write it; expected no write permission for them`,
      `${t.file("302-foreign")}: belongs to user 1234; expected root`,
      `${t.file("303-plain")}: has mode 0644, so it cannot be run; expected for example 0755`,
      `${t.file("304-link")}: is a symbolic link; expected a file`,
      `${t.file("305-dir")}: is a directory; expected a file`,
    ]);
    expect(await t.root.read(ran)).toBeUndefined();
  });

  test("names a directory that others can write, or that is none, and runs nothing in it", async () => {
    await using t = await siteWorld({});
    const directory = t.root.place(paths.sitePhases);
    await t.root.write(
      `${paths.sitePhases}/300-good`,
      `#!/bin/sh\ntouch ${t.root.place("/ran")}\necho Title\n`,
      0o755,
    );
    await chmod(directory, 0o777);
    expect(await problemsOf(t.find())).toEqual([
      `${directory}: has mode 0777, so others can write it; expected no write permission for them`,
    ]);
    expect(await t.root.read("/ran")).toBeUndefined();
    await chmod(directory, 0o755);
    await rename(directory, `${directory}.away`);
    await symlink(`${directory}.away`, directory);
    expect(await problemsOf(t.find())).toEqual([`${directory}: is not a directory; expected one of scripts`]);
  });

  test("says that it cannot read the directory", async () => {
    await using t = await siteWorld({ "300-a": script() });
    const directory = t.root.place(paths.sitePhases);
    const host = { ...t.ctx.host, place: () => `${directory}/${"x".repeat(300)}` };
    const finding = discoverSitePhases({ ...t.ctx, host, taken: [], plan: [] });
    expect(await problemsOf(finding)).toEqual([
      `${directory}/${"x".repeat(300)}: cannot be read: ENAMETOOLONG`,
    ]);
  });

  test("refuses names that are none of a phase, and numbers that are taken, all at once", async () => {
    await using t = await siteWorld({
      "020-mine": script(),
      "300-a": script(),
      "300-b": script(),
      "300-b~": script(),
      "30-short": script(),
      "400-Big": script(),
      README: "how to",
    });
    const name =
      "has no name of a phase; expected three digits, '-', and a-z, 0-9 and '-', for example 450-mount-data";
    expect(await problemsOf(t.find())).toEqual([
      `${t.file("020-mine")}: has the number of the program's own phase 020-gen-certs; expected one of its own`,
      `${t.file("30-short")}: ${name}`,
      `${t.file("300-b")}: has the number of 300-a; expected one of its own`,
      `${t.file("300-b~")}: is the backup of an editor; expected none here`,
      `${t.file("400-Big")}: ${name}`,
      `${t.file("README")}: ${name}`,
    ]);
  });

  test.each([
    ["exit 0", 'answers "name" with nothing; expected its title in one line'],
    ["echo '  '", 'answers "name" with nothing; expected its title in one line'],
    ["echo a; echo b; echo", 'answers "name" with 3 lines; expected its title in one'],
    ["printf 'a\\033[2Jb\\n'", 'answers "name" with what is no text; expected its title in one line'],
    ["printf 'a\\377\\n'", 'answers "name" with what is no text; expected its title in one line'],
    [`echo ${"x".repeat(81)}`, 'answers "name" with 81 characters; expected at most 80'],
    [
      "echo Title; echo 'no such word' >&2; exit 3",
      'does not answer "name": it ended with exit code 3: no such word; expected its title',
    ],
    ["kill -SEGV $$", 'does not answer "name": it was ended by SIGSEGV; expected its title'],
  ])("refuses a script whose answer is %s", async (answer, problem) => {
    await using t = await siteWorld({ "300-a": `#!/bin/sh\n[ "$1" = name ] || exit 1\n${answer}\n` });
    expect(await problemsOf(t.find())).toEqual([`${t.file("300-a")}: ${problem}`]);
  });

  test("tells of every script that does not answer, and of files that are no program", async () => {
    await using t = await siteWorld({
      "300-a": "#!/bin/sh\nexit 3\n",
      "301-b": "#!/nowhere/sh\n",
      "302-c": script(),
      "303-d": "#!/bin/sh\n",
    });
    expect(await problemsOf(t.find())).toEqual([
      `${t.file("300-a")}: does not answer "name": it ended with exit code 3; expected its title`,
      `${t.file("301-b")}: cannot be run: ENOENT; expected a program, or a first line such as #!/bin/sh`,
      `${t.file("303-d")}: answers "name" with nothing; expected its title in one line`,
    ]);
  });

  test.each(["name", "can_run_status"])("a script that hangs at %s is killed and named", async (word) => {
    await using t = await siteWorld({
      "300-a": `#!/bin/sh\n[ "$1" = ${word} ] || { echo Title; exit; }\necho $$ > "$0.pid"\nexec sleep 600\n`,
    });
    const answers = await answersOf(t.file("300-a"), { ...t.ctx, timeoutMs: 200 });
    expect(answers).toEqual({ problem: `does not answer "${word}" within 0.2 s` });
    expect(await isAlive(Number(await Bun.file(t.file("300-a.pid")).text()))).toBe(false);
  });

  test("an operator's signal ends the questions", async () => {
    await using t = await siteWorld({ "300-a": script() });
    t.abort();
    const error = await reasonOf(t.find());
    expect(error).toBeInstanceOf(InterruptedError);
    expect(error.message).toBe("Interrupted: did not ask the scripts of phases.d for their titles");
  });

  test("in a dry run nothing is run, and the plan says what would be", async () => {
    await using t = await siteWorld({});
    await writeFile(t.root.place("/keep"), "");
    const touch = `#!/bin/sh\ntouch ${t.root.place("/ran")}\necho Title\n`;
    await t.root.write(`${paths.sitePhases}/300-a-step`, touch, 0o755);
    const [found, ...more] = await discoverSitePhases({ ...t.dry, taken: [], plan: t.plan });
    expect(more).toEqual([]);
    expect(found).toMatchObject({ id: "300-a-step", title: "a-step" });
    expect(found?.status).toBeUndefined();
    expect(await found?.start(t.dry)).toBe("unchanged");
    expect(await found?.stop(t.dry, () => {})).toBe("unchanged");
    expect(t.plan).toEqual([
      { kind: "script", key: t.file("300-a-step"), from: "not run", to: "start" },
      { kind: "script", key: t.file("300-a-step"), from: "not run", to: "stop" },
    ]);
    expect(await t.root.read("/ran")).toBeUndefined();
    await chmod(t.file("300-a-step"), 0o757);
    expect(await problemsOf(discoverSitePhases({ ...t.dry, taken: [], plan: t.plan }))).toEqual([
      `${t.file("300-a-step")}: has mode 0757, so others can write it; expected no write permission for them`,
    ]);
  });
});
