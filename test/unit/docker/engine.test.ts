import { fileContent } from "../../../src/bundle/content.ts";
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { dockerEngine } from "../../../src/docker/engine.ts";
import { demultiplex } from "../../../src/docker/look-api.ts";
import type { AppError } from "../../../src/errors.ts";
import { tmpRoot } from "../../fake/root.ts";

/** What the engine answers on a path: a status and a body. */
type Answers = Record<string, { status?: number; body?: unknown; text?: string }>;

/** A server on a socket that speaks as much of Docker's API as a test gives it, and keeps what it was sent. */
async function engine(answers: Answers) {
  const root = await tmpRoot();
  const socket = root.place("docker.sock");
  const requests: { method: string; path: string; body: string }[] = [];
  const server = Bun.serve({
    unix: socket,
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const path = decodeURIComponent(pathname).replace(/^\/v[\d.]+/, "");
      requests.push({ method: request.method, path: path + search, body: await request.text() });
      const answer = answers[path] ?? { status: 404, body: { message: `no such thing: ${path}` } };
      return new Response(answer.text ?? JSON.stringify(answer.body ?? {}), {
        status: answer.status ?? 200,
        headers: { "content-type": "application/json" },
      });
    },
  });
  return {
    docker: dockerEngine(socket),
    socket,
    requests,
    root,
    async [Symbol.asyncDispose]() {
      await server.stop(true);
      await root[Symbol.asyncDispose]();
    },
  };
}

describe("an engine that does not answer", () => {
  test("is named with its socket and the way out, whatever is asked", async () => {
    const docker = dockerEngine("/nowhere/docker.sock");
    const error = (await docker.inspect("etcd").catch((reason: unknown) => reason)) as AppError;
    expect(error.message).toBe(
      'Cannot look at the container "etcd": Docker does not answer on "/nowhere/docker.sock"',
    );
    expect(error.hint).toBe('start it: systemctl start docker; then see "journalctl -u docker"');
    await expect(docker.load(fileContent("/dev/null", 0), "etcd:1")).rejects.toThrow(
      'Cannot load the image "etcd:1": Docker does not answer on "/nowhere/docker.sock"',
    );
    expect(await docker.alive()).toBe(false);
  });
});

describe("an engine that answers", () => {
  test("404 is nothing there, not an error", async () => {
    await using t = await engine({ "/_ping": { text: "OK" } });
    expect(await t.docker.alive()).toBe(true);
    expect(await t.docker.inspect("etcd")).toBeUndefined();
    expect(await t.docker.imageId("a:1")).toBeUndefined();
    for (const work of [t.docker.remove("etcd"), t.docker.stop("etcd", 10), t.docker.removeImage("a:1")])
      await work;
  });

  test("what is refused to one who only looks is told in the engine's own words, plain text too", async () => {
    const message = "No such container: etcd";
    await using t = await engine({
      "/containers/etcd/logs": { status: 404, body: { message } },
      "/info": { status: 503, text: "out of order\n" },
    });
    await expect(t.docker.logs("etcd", 5)).rejects.toThrow(
      `Cannot read the log of the container "etcd": Docker says: ${message}`,
    );
    await expect(t.docker.info()).rejects.toThrow(
      "Cannot read the engine's facts: Docker says: out of order",
    );
    await expect(t.docker.list([])).rejects.toThrow("Cannot list containers: Docker says: no such thing: ");
  });

  test("containers are asked for by their labels, and shown as they are listed", async () => {
    const one = {
      Id: "1",
      Names: ["/etcd"],
      ImageID: "sha256:a",
      State: "paused",
      Status: "Up 2 s (Paused)",
    };
    await using t = await engine({ "/containers/json": { body: [{ ...one, Labels: null }] } });
    expect(await t.docker.list(["a", "b=c d"])).toEqual([
      {
        id: "1",
        name: "etcd",
        imageId: "sha256:a",
        running: false,
        status: "Up 2 s (Paused)",
        exitCode: 0,
        pid: 0,
        startedAt: 0,
        finishedAt: 0,
        labels: {},
      },
    ]);
    const query = new URL(`http://x${t.requests[0]?.path}`).searchParams;
    expect(query.get("all")).toBe("true");
    expect(JSON.parse(query.get("filters") ?? "")).toEqual({ label: ["a", "b=c d"] });
  });

  test("an image is asked for by its whole reference", async () => {
    const reference = "registry:5000/pause/x:3.9@sha256:a";
    await using t = await engine({ [`/images/${reference}/json`]: { body: { Id: "sha256:a" } } });
    expect(await t.docker.imageId(reference)).toBe("sha256:a");
  });

  test("looking does not load dockerode", async () => {
    await using t = await engine({
      "/containers/json": { body: [] },
      "/containers/etcd/start": { status: 500 },
    });
    const script = `const { dockerEngine } = await import(process.argv[1]);
      const docker = dockerEngine(process.argv[2]);
      const loaded = () => Object.keys(require.cache).some((path) => path.includes("dockerode"));
      await docker.list([]);
      const before = loaded();
      await docker.start("etcd").catch(() => {});
      process.stdout.write(JSON.stringify({ before, after: loaded() }));`;
    const module = join(import.meta.dir, "../../../src/docker/engine.ts");
    const child = Bun.spawn([process.execPath, "-e", script, module, t.socket], { stdout: "pipe" });
    expect(await new Response(child.stdout).json()).toEqual({ before: false, after: true });
  });

  test("500 is told in the engine's own words", async () => {
    await using t = await engine({
      "/containers/etcd/start": { status: 500, body: { message: "no such device" } },
    });
    await expect(t.docker.start("etcd")).rejects.toThrow(
      'Cannot start the container "etcd": Docker says: no such device',
    );
  });

  test("starting a container that is not there is an error", async () => {
    await using t = await engine({});
    await expect(t.docker.start("etcd")).rejects.toThrow('Cannot start the container "etcd": Docker says: ');
  });

  test("a removal that is under way already is none", async () => {
    const body = { message: "removal of container etcd is already in progress" };
    await using t = await engine({ "/containers/etcd": { status: 409, body } });
    await t.docker.remove("etcd");
    expect(t.requests.length).toBe(1);
  });

  test("a conflict of another kind is an error", async () => {
    await using t = await engine({
      "/images/a:1": { status: 409, body: { message: "image is being used" } },
    });
    await expect(t.docker.removeImage("a:1")).rejects.toThrow("image is being used");
  });

  test("a container is shown as it is", async () => {
    const State = {
      Running: false,
      Status: "exited",
      ExitCode: 137,
      Pid: 0,
      StartedAt: "2026-01-02T03:04:05.6789Z",
    };
    const body = { Id: "1", Name: "/etcd", Image: "sha256:a", State, Config: { Labels: { a: "b" } } };
    await using t = await engine({ "/containers/etcd/json": { body } });
    expect(await t.docker.inspect("etcd")).toEqual({
      id: "1",
      name: "etcd",
      imageId: "sha256:a",
      running: false,
      status: "exited (137)",
      exitCode: 137,
      pid: 0,
      startedAt: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
      finishedAt: 0,
      labels: { a: "b" },
    });
  });

  test("a container is made as its spec says, with nothing allowed that is not in it", async () => {
    await using t = await engine({ "/containers/create": { status: 201, body: { Id: "1" } } });
    await t.docker.create({
      name: "etcd",
      imageId: "sha256:a",
      command: ["etcd", "--x=y z"],
      mounts: [{ source: "/a", target: "/b", readOnly: true }],
      readOnlyRoot: true,
      logs: { maxSize: "10m", maxFiles: 3 },
    });
    const sent = JSON.parse(t.requests[0]?.body ?? "") as Record<string, unknown>;
    expect(sent).toMatchObject({ Image: "sha256:a", Cmd: ["etcd", "--x=y z"] });
    expect(sent.HostConfig).toMatchObject({
      Binds: ["/a:/b:ro"],
      Privileged: false,
      CapDrop: ["ALL"],
      CapAdd: [],
      SecurityOpt: ["no-new-privileges"],
      ReadonlyRootfs: true,
      LogConfig: { Type: "json-file", Config: { "max-size": "10m", "max-file": "3" } },
    });
  });

  test("a reference with a port in it is split at its tag", async () => {
    await using t = await engine({ "/images/sha256:a/tag": { status: 201 } });
    await t.docker.tag("sha256:a", "host:5000/etcd:1");
    expect(decodeURIComponent(t.requests[0]?.path ?? "")).toContain("repo=host:5000/etcd&tag=1");
  });
});

describe("loading an archive", () => {
  const loading = async (answer: Answers[string]) => {
    await using t = await engine({ "/images/load": answer });
    await t.root.write("/a.tar", "archive");
    const result = await t.docker.load(fileContent(t.root.place("/a.tar"), 7), "etcd:1").then(
      () => "loaded",
      (error: AppError) => error.message.replace(t.root.path, ""),
    );
    return { result, sent: t.requests[0]?.body };
  };

  test("sends the file", async () => {
    expect(await loading({ text: '{"stream":"Loaded image: a:1\\n"}\n' })).toEqual({
      result: "loaded",
      sent: "archive",
    });
  });

  test("an error in the stream of a good answer is an error, with all its words", async () => {
    const text =
      '{"stream":"x"}\n{"errorDetail":{"message":"open \\"a\\": no space"},"error":"open \\"a\\": no space"}\n';
    expect((await loading({ text })).result).toBe(
      'Cannot load the image "etcd:1": Docker says: open "a": no space',
    );
  });

  test("a refusal is told", async () => {
    expect((await loading({ status: 500, text: "out of order\n" })).result).toBe(
      'Cannot load the image "etcd:1": Docker says: out of order',
    );
  });
});

describe("demultiplex()", () => {
  const frame = (stream: number, text: string) => {
    const header = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
    header.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([header, Buffer.from(text)]);
  };

  test.each([
    ["nothing", Buffer.alloc(0), ""],
    ["both streams in their order", Buffer.concat([frame(1, "out\n"), frame(2, "err\n")]), "out\nerr\n"],
    ["an empty frame", Buffer.concat([frame(1, ""), frame(1, "x")]), "x"],
    ["a frame that is cut off", frame(1, "whole").subarray(0, 10), "wh"],
    ["a header that is cut off", Buffer.concat([frame(1, "x"), Buffer.from([1, 0, 0])]), "x"],
  ])("%s", (_, raw, expected) => expect(demultiplex(raw)).toBe(expected));

  test("puts bytes together before it reads letters", () => {
    const letter = Buffer.from("ü");
    const half = (bytes: Buffer) => Buffer.concat([Buffer.from([1, 0, 0, 0, 0, 0, 0, 1]), bytes]);
    expect(demultiplex(Buffer.concat([half(letter.subarray(0, 1)), half(letter.subarray(1))]))).toBe("ü");
  });
});
