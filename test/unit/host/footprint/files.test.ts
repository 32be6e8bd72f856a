import { describe, expect, test } from "bun:test";
import { chmod, mkdir, symlink } from "node:fs/promises";
import { sha256 } from "../../../../src/host/hash.ts";
import { filesArea, type Place } from "../../../../src/host/footprint/files.ts";
import { fakeHost } from "./help.ts";

const own = `${process.getuid?.()}:${process.getgid?.()}`;
const tree: Place[] = [{ path: "/etc/a", depth: "tree" }];

describe("files", () => {
  test("are known by type, mode, owner and digest; links by what they point to", async () => {
    await using t = await fakeHost();
    t.scope.places = tree;
    await t.root.write("/etc/a/b/file", "content", 0o640);
    await symlink("/nowhere", t.root.place("/etc/a/link"));
    await chmod(t.root.place("/etc/a"), 0o755);
    await chmod(t.root.place("/etc/a/b"), 0o711);
    expect(await t.look(filesArea)).toEqual({
      "/etc/a": `directory 0755 ${own}`,
      "/etc/a/b": `directory 0711 ${own}`,
      "/etc/a/b/file": `file 0640 ${own}, 7 B, sha256 ${sha256("content").slice(0, 12)}`,
      "/etc/a/link": "link to /nowhere",
    });
  });

  test("that are large are known by their size, and places that are not there by nothing", async () => {
    await using t = await fakeHost();
    t.scope.places = [...tree, { path: "/not/there", depth: "tree" }];
    await t.root.write("/etc/a", "x".repeat(70_000));
    expect(await t.look(filesArea)).toEqual({ "/etc/a": `file 0644 ${own}, 70000 B` });
  });

  test("of an engine are looked at by name alone, and those of /opt not at all", async () => {
    await using t = await fakeHost();
    t.scope.places = [
      { path: "/lib/docker", depth: "names" },
      { path: "/opt", depth: "self" },
    ];
    await t.root.write("/lib/docker/overlay2/layer", "1");
    await t.root.write("/opt/theirs", "1");
    const facts = await t.look(filesArea);
    expect(Object.keys(facts ?? {})).toEqual(["/lib/docker", "/lib/docker/overlay2", "/opt"]);
  });

  test("that are somebody's data are not walked through", async () => {
    await using t = await fakeHost();
    t.scope.places = tree;
    await mkdir(t.root.place("/etc/a"), { recursive: true });
    for (let at = 0; at < 2001; at++) await t.root.write(`/etc/a/${at}`, "");
    expect(await t.look(filesArea)).toEqual({ "/etc/a": "directory with more than 2000 entries" });
  });

  test("of nodelet's own state are passed over, and of what was made for it only the directory", async () => {
    await using t = await fakeHost();
    t.scope = {
      places: [{ path: "/var", depth: "tree" }],
      hidden: ["/var/pf9/nodelet"],
      passing: ["/var/pf9"],
    };
    await t.root.write("/var/pf9/nodelet/journal", "1");
    await t.root.write("/var/pf9/theirs", "1");
    expect(Object.keys((await t.look(filesArea)) ?? {})).toEqual(["/var", "/var/pf9/theirs"]);
  });
});
