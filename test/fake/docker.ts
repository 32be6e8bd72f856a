import type { ContainerSpec, ContainerState, Docker, EngineInfo } from "../../src/docker/docker.ts";
import { AppError } from "../../src/errors.ts";

/** An engine in memory. */
export interface FakeDocker extends Docker {
  /** False: nothing answers. */
  up: boolean;
  facts: EngineInfo;
  /** What was asked of the engine that changes it, in order, for example `start etcd`. */
  readonly calls: string[];
  /** Thrown by the call of this text, for example `start etcd`. */
  readonly failures: Map<string, Error>;
  readonly containers: Map<string, ContainerState>;
  /** The specs that containers were made from, by name. */
  readonly specs: Map<string, ContainerSpec>;
  /** Image ids by reference. */
  readonly references: Map<string, string>;
  /** Ids of all images, named or not. */
  readonly imageIds: Set<string>;
  /** What is in an archive, by its path: loading brings the image and its names. */
  readonly archives: Map<string, { imageId: string; references: readonly string[] }>;
  /** What each container wrote. */
  readonly output: Map<string, string>;
  /** Containers that end as soon as they are started: with which code, by name. */
  readonly ends: Map<string, number>;
}

/** Makes an engine without images and containers. */
export function fakeDocker(): FakeDocker {
  const docker: FakeDocker = {
    up: true,
    facts: {
      version: "20.10.24",
      cgroupDriver: "cgroupfs",
      cgroupVersion: "1",
      rootDir: "/var/lib/docker",
      liveRestore: true,
      loggingDriver: "json-file",
      architecture: "x86_64",
    },
    calls: [],
    failures: new Map(),
    containers: new Map(),
    specs: new Map(),
    references: new Map(),
    imageIds: new Set(),
    archives: new Map(),
    output: new Map(),
    ends: new Map(),
    ...looking(() => docker),
    ...imageChanges(() => docker),
    ...containerChanges(() => docker),
  };
  return docker;
}

function answering(docker: FakeDocker): FakeDocker {
  if (!docker.up) throw new AppError("Docker does not answer");
  return docker;
}

function change(docker: FakeDocker, call: string): FakeDocker {
  const failure = answering(docker).failures.get(call);
  docker.calls.push(call);
  if (failure) throw failure;
  return docker;
}

function looking(
  get: () => FakeDocker,
): Pick<Docker, "info" | "alive" | "imageId" | "inspect" | "list" | "logs"> {
  return {
    info: async () => answering(get()).facts,
    alive: async () => get().up,
    async imageId(reference) {
      const { imageIds, references } = answering(get());
      return imageIds.has(reference) ? reference : references.get(reference);
    },
    inspect: async (name) => find(answering(get()), name),
    async list(labels) {
      const wanted = labels.map((label) => label.split("="));
      return [...answering(get()).containers.values()].filter((container) =>
        wanted.every(([key = "", value]) => {
          const found = container.labels[key];
          return value === undefined ? found !== undefined : found === value;
        }),
      );
    },
    logs: async (name, lines) =>
      (answering(get()).output.get(name) ?? "").split("\n").slice(-lines).join("\n"),
  };
}

function find(docker: FakeDocker, name: string): ContainerState | undefined {
  return docker.containers.get(name) ?? [...docker.containers.values()].find(({ id }) => id === name);
}

function imageChanges(get: () => FakeDocker): Pick<Docker, "load" | "tag" | "removeImage"> {
  return {
    async load(archive, name) {
      const docker = change(get(), `load ${name}`);
      const content = docker.archives.get(archive.file ?? "");
      if (!content) return;
      docker.imageIds.add(content.imageId);
      for (const reference of content.references) docker.references.set(reference, content.imageId);
    },
    async tag(imageId, reference) {
      const docker = change(get(), `tag ${reference}`);
      if (!docker.imageIds.has(imageId)) throw new AppError(`No such image: ${imageId}`);
      docker.references.set(reference, imageId);
    },
    async removeImage(reference) {
      const docker = change(get(), `removeImage ${reference}`);
      const imageId = docker.references.get(reference);
      if (!imageId) return;
      docker.references.delete(reference);
      if (![...docker.references.values()].includes(imageId)) docker.imageIds.delete(imageId);
    },
  };
}

function containerChanges(
  get: () => FakeDocker,
): Pick<Docker, "create" | "start" | "stop" | "signal" | "remove"> {
  const must = (docker: FakeDocker, name: string) => {
    const found = find(docker, name);
    if (!found) throw new AppError(`No such container: ${name}`);
    return found;
  };
  return {
    async create(spec) {
      const docker = change(get(), `create ${spec.name}`);
      if (docker.containers.has(spec.name)) throw new AppError(`Conflict: the name "${spec.name}" is in use`);
      docker.specs.set(spec.name, spec);
      docker.containers.set(
        spec.name,
        container(spec.name, { imageId: spec.imageId, labels: { ...spec.labels } }),
      );
    },
    async start(name) {
      const docker = change(get(), `start ${name}`);
      const exitCode = docker.ends.get(name);
      const state =
        exitCode === undefined
          ? { running: true, status: "running", pid: 4711 }
          : { running: false, status: `exited (${exitCode})`, exitCode };
      Object.assign(must(docker, name), state);
    },
    async signal(name, signal) {
      const { running } = must(change(get(), `${signal} ${name}`), name);
      if (!running) throw new AppError(`Container ${name} is not running`);
    },
    async stop(name) {
      const found = find(change(get(), `stop ${name}`), name);
      if (found) Object.assign(found, { running: false, status: "exited (0)", pid: 0 });
    },
    async remove(name) {
      const docker = change(get(), `remove ${name}`);
      const found = find(docker, name);
      if (!found) return;
      docker.containers.delete(found.name);
      docker.specs.delete(found.name);
    },
  };
}

/** A container that was made and not started, with what a test wants of it on top. */
export function container(name: string, more: Partial<ContainerState> = {}): ContainerState {
  const state = {
    id: `id-of-${name}`,
    name,
    imageId: "",
    running: false,
    status: "created",
    exitCode: 0,
    pid: 0,
    startedAt: 0,
    finishedAt: 0,
  };
  return { ...state, labels: {}, ...more };
}
