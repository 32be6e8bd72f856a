import type { Content } from "../bundle/content.ts";

/** A container as data. The image is given by id, so that what runs is what the bundle holds. */
export interface ContainerSpec {
  name: string;
  /** `sha256:…` */
  imageId: string;
  command: readonly string[];
  env?: Readonly<Record<string, string>>;
  mounts?: readonly { source: string; target: string; readOnly: boolean }[];
  labels?: Readonly<Record<string, string>>;
  /** `uid:gid` */
  user?: string;
  privileged?: boolean;
  /** Capabilities kept; all others are dropped unless privileged. */
  capabilities?: readonly string[];
  readOnlyRoot?: boolean;
  oomScoreAdj?: number;
  /** Bytes. */
  memoryLimit?: number;
  /** Open files. */
  nofile?: number;
  logs: { maxSize: string; maxFiles: number };
  /** Never started by the engine itself; others are whenever they end, and when the engine starts. */
  restart?: "no";
}

/** What the engine knows about a container. */
export interface ContainerState {
  id: string;
  name: string;
  imageId: string;
  running: boolean;
  /** For example `exited (1) 2 seconds ago`, for a person. */
  status: string;
  exitCode: number;
  pid: number;
  /** When it was started last, in milliseconds since the epoch; 0 where only a list was asked for. */
  startedAt: number;
  /** When it ended last; 0 when it never did, and in a list. */
  finishedAt: number;
  labels: Record<string, string>;
}

/** Facts about the engine. */
export interface EngineInfo {
  version: string;
  cgroupDriver: string;
  cgroupVersion: string;
  rootDir: string;
  liveRestore: boolean;
  loggingDriver: string;
  /** `x86_64`, `aarch64` */
  architecture: string;
}

/** What nodelet asks of a container engine. Implemented on the engine's socket, and by hand in the unit tests. */
export interface Docker {
  /** @throws AppError when the engine does not answer. */
  info(): Promise<EngineInfo>;
  /** True when the engine answers a ping within a second. */
  alive(): Promise<boolean>;
  /** Image id of a reference or an id, or undefined. */
  imageId(reference: string): Promise<string | undefined>;
  /** Streams a docker archive into the engine. @param name of the image, for messages */
  load(archive: Content, name: string): Promise<void>;
  tag(imageId: string, reference: string): Promise<void>;
  /** Removes a reference, and the image with its last one; nothing happens when it is not there. */
  removeImage(reference: string): Promise<void>;
  inspect(name: string): Promise<ContainerState | undefined>;
  /** All containers, running or not, that carry the labels (`key` or `key=value`). */
  list(labels: readonly string[]): Promise<ContainerState[]>;
  create(spec: ContainerSpec): Promise<void>;
  start(name: string): Promise<void>;
  stop(name: string, timeoutSeconds: number): Promise<void>;
  /** Sends a signal to the first process of a container that runs. @param signal its name: `SIGHUP` */
  signal(name: string, signal: string): Promise<void>;
  /** Removes a container by force; nothing happens when it is not there. */
  remove(name: string): Promise<void>;
  /** The last lines that a container wrote. */
  logs(name: string, lines: number): Promise<string>;
}
