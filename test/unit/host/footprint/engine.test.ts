import { describe, expect, test } from "bun:test";
import { engineArea } from "../../../../src/host/footprint/engine.ts";
import { fakeHost } from "./help.ts";

describe("the engine", () => {
  test("is not seen when it does not answer everything", async () => {
    await using t = await fakeHost();
    t.answers.set("/info", {});
    expect(await t.look(engineArea)).toBeUndefined();
  });

  test("tells its settings, and what it has by name", async () => {
    await using t = await fakeHost();
    const id = `sha256:${"a".repeat(64)}`;
    t.answers.set("/info", {
      LiveRestoreEnabled: true,
      LoggingDriver: "json-file",
      CgroupDriver: "systemd",
      DefaultRuntime: "runc",
    });
    t.answers.set("/containers/json?all=1", [
      { Names: ["/web"], ImageID: id, State: "restarting" },
      { Names: ["/old"], ImageID: id, State: "exited" },
    ]);
    t.answers.set("/images/json", [
      { Id: id, RepoTags: ["web:1", "web:latest"] },
      { Id: `sha256:${"b".repeat(64)}`, RepoTags: ["<none>:<none>"] },
    ]);
    t.answers.set("/networks", [{ Name: "bridge", Driver: "bridge" }]);
    t.answers.set("/volumes", { Volumes: null });
    expect(await t.look(engineArea)).toEqual({
      "Docker's live restore": "true",
      "Docker's log driver": "json-file",
      "Docker's cgroup driver": "systemd",
      "Docker's default runtime": "runc",
      "container web": "running, image aaaaaaaaaaaa",
      "container old": "not running, image aaaaaaaaaaaa",
      "image web:1": "aaaaaaaaaaaa",
      "image web:latest": "aaaaaaaaaaaa",
      "image bbbbbbbbbbbb": "without a name",
      "network bridge": "bridge",
    });
  });
});
