import { describe, expect, test } from "bun:test";
import type { ContainerSpec } from "../../../src/docker/docker.ts";
import {
  type Configured,
  ensureConfigured,
  isCurrent,
  removeConfigured,
} from "../../../src/docker/configured.ts";
import { paths } from "../../../src/paths.ts";
import { world } from "../../fake/ctx.ts";

const DIR = "/etc/app";
const NOTE = `${paths.stateDir}/app-reads`;

const wanted = (content: string, more: Partial<ContainerSpec> = {}): Configured => ({
  dir: DIR,
  files: [
    { path: `${DIR}/app.conf`, content, mode: 0o644 },
    { path: `${DIR}/key`, content: "secret", mode: 0o600, secret: true },
  ],
  check: (name) => ["app", "--check", name],
  reload: "SIGHUP",
  spec: {
    name: "app",
    imageId: "sha256:app",
    command: ["app"],
    logs: { maxSize: "1m", maxFiles: 1 },
    ...more,
  },
});

async function furnished() {
  const w = await world();
  await w.root.write(`${paths.stateDir}/.there`, "");
  await w.root.write("/etc/.there", "");
  w.machine.docker.ends.set("app-check", 0);
  const { calls } = w.machine.docker;
  const took = () => calls.splice(0);
  return Object.assign(w, { took, text: () => w.root.read(`${DIR}/app.conf`) });
}

describe("ensureConfigured()", () => {
  test("starts the container with its files; the second time it changes nothing", async () => {
    await using w = await furnished();
    expect(await ensureConfigured(w.ctx, wanted("one"))).toBe("changed");
    expect(w.took()).toEqual(["remove app", "create app", "start app"]);
    expect(await ensureConfigured(w.ctx, wanted("one"))).toBe("unchanged");
    expect(w.took()).toEqual([]);
    expect(await isCurrent(w.ctx, wanted("one"))).toBe(true);
  });

  test("lets the program check what is new, then read it, and leaves nothing of that", async () => {
    await using w = await furnished();
    await ensureConfigured(w.ctx, wanted("one"));
    w.took();
    expect(await isCurrent(w.ctx, wanted("two"))).toBe(false);
    expect(await ensureConfigured(w.ctx, wanted("two"))).toBe("changed");
    expect(w.took()).toEqual([
      "remove app-check",
      "create app-check",
      "start app-check",
      "remove app-check",
      "SIGHUP app",
    ]);
    expect(await w.text()).toBe("two");
    expect(await w.ctx.host.list(DIR)).toEqual(["app.conf", "key"]);
    expect(await w.ctx.host.exists(NOTE)).toBe(false);
  });

  test("keeps what is in use when the program refuses the new one, and says its words", async () => {
    await using w = await furnished();
    await ensureConfigured(w.ctx, wanted("one"));
    w.took();
    w.machine.docker.ends.set("app-check", 4);
    w.machine.docker.output.set("app-check", "line 1: what is two?\n");
    const error = (await ensureConfigured(w.ctx, wanted("two")).catch((reason: unknown) => reason)) as Error;
    expect(error.message).toBe(
      'Cannot use the new configuration "/etc/app/app.conf": it is refused: line 1: what is two?',
    );
    expect(await w.text()).toBe("one");
    expect(w.took()).not.toContain("SIGHUP app");
    expect(await w.ctx.host.list(DIR)).toEqual(["app.conf", "key"]);
    expect([...w.machine.docker.containers.keys()]).toEqual(["app"]);
  });

  test("puts back what somebody else wrote, and has it read again", async () => {
    await using w = await furnished();
    await ensureConfigured(w.ctx, wanted("one"));
    w.took();
    await w.root.write(`${DIR}/app.conf`, "by hand", 0o644);
    expect(await ensureConfigured(w.ctx, wanted("one"))).toBe("changed");
    expect(await w.text()).toBe("one");
    expect(w.took()).toContain("SIGHUP app");
  });

  test("killed before the signal, the next run sends it", async () => {
    await using w = await furnished();
    await ensureConfigured(w.ctx, wanted("one"));
    w.machine.docker.failures.set("SIGHUP app", new Error("killed"));
    await expect(ensureConfigured(w.ctx, wanted("two"))).rejects.toThrow("killed");
    expect(await isCurrent(w.ctx, wanted("two"))).toBe(false);
    w.machine.docker.failures.clear();
    w.took();
    expect(await ensureConfigured(w.ctx, wanted("two"))).toBe("changed");
    expect(w.took()).toEqual(["SIGHUP app"]);
    expect(await isCurrent(w.ctx, wanted("two"))).toBe(true);
  });

  test("a container that is made anew reads its files by itself", async () => {
    await using w = await furnished();
    await ensureConfigured(w.ctx, wanted("one"));
    await ensureConfigured(w.ctx, wanted("two", { command: ["app", "-v"] }));
    expect(w.took()).not.toContain("SIGHUP app");
    expect(await w.ctx.host.exists(NOTE)).toBe(false);
  });

  test("a check that does not end is ended at its deadline", async () => {
    await using w = await furnished();
    await ensureConfigured(w.ctx, wanted("one"));
    w.machine.docker.ends.delete("app-check");
    await expect(ensureConfigured(w.ctx, wanted("two"))).rejects.toThrow(
      "Cannot check the configuration of app within 30 s: the check has not ended",
    );
    expect([...w.machine.docker.containers.keys()]).toEqual(["app"]);
    expect(await w.text()).toBe("one");
  });
});

test("removeConfigured() leaves neither the container nor its secrets", async () => {
  await using w = await furnished();
  await ensureConfigured(w.ctx, wanted("one"));
  expect(await removeConfigured(w.ctx, { name: "app", dir: DIR })).toBe("changed");
  expect(await w.ctx.host.list(DIR)).toEqual([]);
  expect(w.machine.docker.containers.size).toBe(0);
  expect(await removeConfigured(w.ctx, { name: "app", dir: DIR })).toBe("unchanged");
});
