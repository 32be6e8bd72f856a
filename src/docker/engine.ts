import type Dockerode from "dockerode";
import { AppError, messageOf } from "../errors.ts";
import type { ContainerSpec, ContainerState, Docker, EngineInfo } from "./docker.ts";

/** Where the engine listens. */
export const DOCKER_SOCKET = "/var/run/docker.sock";

type Client = Dockerode;

/** Every request but loading an image is answered within this time, in milliseconds, or the engine is stuck. */
const REQUEST_TIMEOUT_MS = 60_000;

/**
 * The engine on its socket. dockerode is loaded when the first request is made: it costs more to load than everything
 * else in the program.
 */
export function dockerEngine(socket: string = DOCKER_SOCKET): Docker {
  let client: Promise<Client> | undefined;
  const connect = () => {
    client ??= import("dockerode").then(
      ({ default: Dockerode }) => new Dockerode({ socketPath: socket, timeout: REQUEST_TIMEOUT_MS }),
    );
    return client;
  };
  const ask = async <T>(action: string, request: (client: Client) => Promise<T>): Promise<T> => {
    try {
      return await request(await connect());
    } catch (error) {
      throw engineError({ action, socket, error });
    }
  };
  return {
    info: () => ask("read the engine's facts", readInfo),
    alive: () => ping(socket),
    imageId: (reference) =>
      ask(`look up the image "${reference}"`, (c) =>
        orMissing(
          c
            .getImage(reference)
            .inspect()
            .then((image) => image.Id),
        ),
      ),
    load: (archive, signal) => loadArchive({ socket, archive, ...(signal && { signal }) }),
    tag: (imageId, reference) =>
      ask(`name the image "${reference}"`, async (c) => {
        const colon = reference.lastIndexOf(":");
        await c.getImage(imageId).tag({ repo: reference.slice(0, colon), tag: reference.slice(colon + 1) });
      }),
    removeImage: (reference) =>
      ask(
        `remove the image "${reference}"`,
        async (c) => void (await orMissing(c.getImage(reference).remove())),
      ),
    inspect: (name) => ask(`look at the container "${name}"`, (c) => orMissing(inspectContainer(c, name))),
    list: (labels) => ask("list containers", (c) => listContainers(c, labels)),
    create: (spec) =>
      ask(
        `create the container "${spec.name}"`,
        async (c) => void (await c.createContainer(createOptions(spec))),
      ),
    start: (name) =>
      ask(`start the container "${name}"`, async (c) => {
        const container = c.getContainer(name);
        await container.start().catch((error: Error) => {
          if (!/paused container/.test(error.message)) throw error;
          return container.unpause() as Promise<unknown>;
        });
      }),
    stop: (name, timeoutSeconds) =>
      ask(
        `stop the container "${name}"`,
        async (c) => void (await orMissing(c.getContainer(name).stop({ t: timeoutSeconds }))),
      ),
    remove: (name) =>
      ask(
        `remove the container "${name}"`,
        async (c) => void (await orMissing(c.getContainer(name).remove({ force: true, v: true }))),
      ),
    logs: (name, lines) =>
      ask(`read the log of the container "${name}"`, (c) => readLogs(c, { name, lines })),
  };
}

function engineError(details: { action: string; socket: string; error: unknown }): AppError {
  const { action, socket, error } = details;
  const code = (error as { code?: string }).code;
  if (code === "ENOENT" || code === "ECONNREFUSED" || code === "FailedToOpenSocket") {
    return new AppError(`Cannot ${action}: Docker does not answer on "${socket}"`, {
      hint: 'start it: systemctl start docker; then see "journalctl -u docker"',
    });
  }
  const message = (error as { json?: { message?: string } }).json?.message ?? messageOf(error);
  return new AppError(`Cannot ${action}: Docker says: ${message}`);
}

/** Undefined for what the engine does not have; 304 and 404 mean that there is nothing to do. */
async function orMissing<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    const status = (error as { statusCode?: number }).statusCode;
    // 409: a removal that is under way already.
    const gone =
      status === 404 || status === 304 || (status === 409 && /already in progress/.test(messageOf(error)));
    if (gone) return undefined;
    throw error;
  }
}

async function readInfo(client: Client): Promise<EngineInfo> {
  const info = await client.info();
  return {
    version: info.ServerVersion,
    cgroupDriver: info.CgroupDriver,
    cgroupVersion: info.CgroupVersion ?? "1",
    rootDir: info.DockerRootDir,
    liveRestore: info.LiveRestoreEnabled,
    loggingDriver: info.LoggingDriver,
    architecture: info.Architecture,
  };
}

async function ping(socket: string): Promise<boolean> {
  try {
    const response = await fetch("http://docker/_ping", { unix: socket, signal: AbortSignal.timeout(1000) });
    return response.ok;
  } catch {
    return false;
  }
}

/**
 * Streams an archive into the engine with fetch: measured at less than half of the memory that dockerode's own way
 * takes, and a little faster.
 */
async function loadArchive(options: {
  socket: string;
  archive: string;
  signal?: AbortSignal;
}): Promise<void> {
  const { socket, archive, signal } = options;
  try {
    const response = await fetch("http://docker/images/load?quiet=1", {
      unix: socket,
      method: "POST",
      headers: { "content-type": "application/x-tar" },
      body: Bun.file(archive),
      ...(signal && { signal }),
    });
    const text = await response.text();
    const failure = loadFailure(text);
    if (response.ok && !failure) return;
    throw new AppError(`Cannot load the image archive "${archive}": Docker says: ${failure ?? text.trim()}`);
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw engineError({ action: `load the image archive "${archive}"`, socket, error });
  }
}

/** The engine answers with 200 and a line of JSON for each step; a failure is one of the lines. */
function loadFailure(text: string): string | undefined {
  const quoted = /"error":("(?:[^"\\]|\\.)*")/.exec(text)?.[1];
  return quoted === undefined ? undefined : (JSON.parse(quoted) as string);
}

async function inspectContainer(client: Client, name: string): Promise<ContainerState> {
  const found = await client.getContainer(name).inspect();
  return {
    id: found.Id,
    name: found.Name.replace(/^\//, ""),
    imageId: found.Image,
    // To the engine a paused container runs; it does nothing, though.
    running: found.State.Running && !found.State.Paused,
    status:
      found.State.Running && !found.State.Paused
        ? "running"
        : `${found.State.Status} (${found.State.ExitCode})`,
    exitCode: found.State.ExitCode,
    pid: found.State.Pid,
    labels: found.Config.Labels ?? {},
  };
}

async function listContainers(client: Client, labels: readonly string[]): Promise<ContainerState[]> {
  const found = await client.listContainers({ all: true, filters: { label: [...labels] } });
  return found.map((container) => ({
    id: container.Id,
    name: container.Names[0]?.replace(/^\//, "") ?? "",
    imageId: container.ImageID,
    running: container.State === "running",
    status: container.Status,
    exitCode: 0,
    pid: 0,
    labels: container.Labels,
  }));
}

function createOptions(spec: ContainerSpec): Dockerode.ContainerCreateOptions {
  return {
    name: spec.name,
    Image: spec.imageId,
    Entrypoint: [],
    Cmd: [...spec.command],
    Env: Object.entries(spec.env ?? {}).map(([name, value]) => `${name}=${value}`),
    Labels: { ...spec.labels },
    ...(spec.user && { User: spec.user }),
    HostConfig: {
      NetworkMode: "host",
      // Survives an engine that is started again; nodelet itself takes care of everything else.
      RestartPolicy: { Name: "always" },
      Binds: (spec.mounts ?? []).map(
        (mount) => `${mount.source}:${mount.target}${mount.readOnly ? ":ro" : ""}`,
      ),
      Privileged: spec.privileged ?? false,
      ...(!spec.privileged && {
        CapDrop: ["ALL"],
        CapAdd: [...(spec.capabilities ?? [])],
        SecurityOpt: ["no-new-privileges"],
      }),
      ReadonlyRootfs: spec.readOnlyRoot ?? false,
      OomScoreAdj: spec.oomScoreAdj ?? 0,
      ...(spec.memoryLimit && { Memory: spec.memoryLimit }),
      ...(spec.nofile && { Ulimits: [{ Name: "nofile", Soft: spec.nofile, Hard: spec.nofile }] }),
      LogConfig: {
        Type: "json-file",
        Config: { "max-size": spec.logs.maxSize, "max-file": String(spec.logs.maxFiles) },
      },
    },
  };
}

async function readLogs(client: Client, options: { name: string; lines: number }): Promise<string> {
  const raw = await client
    .getContainer(options.name)
    .logs({ stdout: true, stderr: true, tail: options.lines });
  return demultiplex(raw as unknown as Buffer);
}

/** Joins the frames of a log: 8 bytes of header (stream, 3 zeros, length), then the text. */
export function demultiplex(raw: Buffer): string {
  const parts: Buffer[] = [];
  for (let at = 0; at + 8 <= raw.length;) {
    const length = raw.readUInt32BE(at + 4);
    parts.push(raw.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(parts).toString();
}
