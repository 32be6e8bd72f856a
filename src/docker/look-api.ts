import { asking, getFromEngine, orMissing } from "./api.ts";
import type { ContainerState, Docker, EngineInfo } from "./docker.ts";

/** What only looks at the engine. */
export type LookingDocker = Pick<Docker, "info" | "alive" | "imageId" | "inspect" | "list" | "logs">;

/** What `GET /info` answers. */
interface InfoAnswer {
  ServerVersion: string;
  CgroupDriver: string;
  CgroupVersion?: string;
  DockerRootDir: string;
  LiveRestoreEnabled: boolean;
  LoggingDriver: string;
  Architecture: string;
}

/** What `GET /containers/NAME/json` answers. */
interface ContainerAnswer {
  Id: string;
  Name: string;
  Image: string;
  State: {
    Running: boolean;
    Paused?: boolean;
    Restarting?: boolean;
    FinishedAt?: string;
    Status: string;
    ExitCode: number;
    Pid: number;
    StartedAt: string;
  };
  Config: { Labels: Record<string, string> | null };
}

/** One of those that `GET /containers/json` answers. */
interface ListedAnswer {
  Id: string;
  Names: string[];
  ImageID: string;
  State: string;
  Status: string;
  Labels: Record<string, string> | null;
}

/** Looks at the engine on a socket, with fetch alone. Errors are those of {@linkcode asking}. */
export function lookingEngine(socket: string): LookingDocker {
  const get = async <T>(path: string) => (await getFromEngine(socket, path)).json() as Promise<T>;
  const ask = <T>(action: string, request: () => Promise<T>) => asking({ action, socket }, request);
  return {
    info: () => ask("read the engine's facts", async () => infoOf(await get<InfoAnswer>("/info"))),
    alive: () => ping(socket),
    imageId: (reference) =>
      ask(`look up the image "${reference}"`, async () => {
        const image = await orMissing(get<{ Id: string }>(`/images/${segments(reference)}/json`));
        return image?.Id;
      }),
    inspect: (name) =>
      ask(`look at the container "${name}"`, async () => {
        const found = await orMissing(get<ContainerAnswer>(`/containers/${segments(name)}/json`));
        return found && stateOf(found);
      }),
    list: (labels) =>
      ask("list containers", async () => {
        const filters = encodeURIComponent(JSON.stringify({ label: labels }));
        const found = await get<ListedAnswer[]>(`/containers/json?all=true&filters=${filters}`);
        return found.map(listedState);
      }),
    logs: (name, lines) =>
      ask(`read the log of the container "${name}"`, async () => {
        const path = `/containers/${segments(name)}/logs?stdout=true&stderr=true&tail=${lines}`;
        return demultiplex(Buffer.from(await (await getFromEngine(socket, path)).arrayBuffer()));
      }),
  };
}

/** References have slashes that stay as they are. */
function segments(reference: string): string {
  return reference.split("/").map(encodeURIComponent).join("/");
}

/** An engine that is not there refuses at once; one that removes much, on a busy host, is silent for seconds. In milliseconds. */
const PING_MS = 4_000;

async function ping(socket: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(PING_MS);
    const response = await fetch("http://docker/_ping", { unix: socket, signal });
    return response.ok;
  } catch {
    return false;
  }
}

function infoOf(info: InfoAnswer): EngineInfo {
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

function stateOf({ Id, Name, Image, State, Config }: ContainerAnswer): ContainerState {
  // To the engine a container runs that is paused, or waits for its next start; it does nothing, though.
  const running = State.Running && !State.Paused && !State.Restarting;
  return {
    id: Id,
    name: Name.replace(/^\//, ""),
    imageId: Image,
    running,
    status: running ? "running" : `${State.Status} (${State.ExitCode})`,
    exitCode: State.ExitCode,
    pid: State.Pid,
    startedAt: Date.parse(State.StartedAt) || 0,
    // The engine writes the year 1 for never.
    finishedAt: Math.max(0, Date.parse(State.FinishedAt ?? "") || 0),
    labels: Config.Labels ?? {},
  };
}

function listedState(container: ListedAnswer): ContainerState {
  return {
    id: container.Id,
    name: container.Names[0]?.replace(/^\//, "") ?? "",
    imageId: container.ImageID,
    running: container.State === "running",
    status: container.Status,
    exitCode: 0,
    pid: 0,
    startedAt: 0,
    finishedAt: 0,
    labels: container.Labels ?? {},
  };
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
