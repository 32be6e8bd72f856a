import type Dockerode from "dockerode";
import { asking, DOCKER_SOCKET, orMissing, REQUEST_TIMEOUT_MS } from "./api.ts";
import type { ContainerSpec, Docker } from "./docker.ts";
import { loadArchive } from "./load-archive.ts";
import { lookingEngine } from "./look-api.ts";

type Client = Dockerode;

/**
 * The engine on its socket. What only looks goes by fetch; dockerode is loaded when the first thing is changed: it costs
 * more to load than everything else in the program.
 */
export function dockerEngine(socket: string = DOCKER_SOCKET): Docker {
  let client: Promise<Client> | undefined;
  const connect = () => {
    client ??= import("dockerode").then(
      ({ default: Dockerode }) => new Dockerode({ socketPath: socket, timeout: REQUEST_TIMEOUT_MS }),
    );
    return client;
  };
  const ask = <T>(action: string, request: (client: Client) => Promise<T>) =>
    asking({ action, socket }, async () => request(await connect()));
  return {
    ...lookingEngine(socket),
    load: (archive, name) => loadArchive({ socket, archive, name }),
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
    signal: (name, signal) =>
      ask(
        `send ${signal} to the container "${name}"`,
        async (c) => void (await c.getContainer(name).kill({ signal })),
      ),
    remove: (name) =>
      ask(
        `remove the container "${name}"`,
        async (c) => void (await orMissing(c.getContainer(name).remove({ force: true, v: true }))),
      ),
  };
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
      RestartPolicy: { Name: spec.restart ?? "always" },
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
