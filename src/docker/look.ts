import type { ProbedEngine } from "../preflight/probe.ts";

/** A healthy engine answers in some 20 ms; one that is stuck must not hold up the other findings. */
const TIMEOUT_MS = 5000;

interface InfoAnswer {
  ServerVersion: string;
  CgroupDriver?: string;
  Driver: string;
  DockerRootDir: string;
}

interface ContainerAnswer {
  Id: string;
  Names: string[];
  State: string;
  Labels: Record<string, string> | null;
}

interface ImageAnswer {
  Id: string;
  RepoTags: string[] | null;
}

/**
 * Asks the engine for all that preflight wants to know, in three requests at once. It goes to the socket by itself:
 * loading dockerode would cost more than everything else that preflight does.
 *
 * @returns undefined when no engine answers
 */
export async function lookAtEngine(socket: string): Promise<ProbedEngine | undefined> {
  try {
    const [info, containers, images] = await Promise.all([
      ask<InfoAnswer>(socket, "/info"),
      ask<ContainerAnswer[]>(socket, "/containers/json?all=1"),
      ask<ImageAnswer[]>(socket, "/images/json"),
    ]);
    return {
      version: info.ServerVersion,
      cgroupDriver: info.CgroupDriver ?? "",
      storageDriver: info.Driver,
      rootDir: info.DockerRootDir,
      containers: containers.map((one) => ({
        id: one.Id,
        name: one.Names[0]?.replace(/^\//, "") ?? "",
        running: one.State === "running",
        labels: one.Labels ?? {},
      })),
      images: images.map((one) => ({ id: one.Id, references: one.RepoTags ?? [] })),
    };
  } catch {
    return undefined;
  }
}

async function ask<T>(socket: string, path: string): Promise<T> {
  const response = await fetch(`http://docker${path}`, {
    unix: socket,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!response.ok) throw new Error(`Docker answers ${path} with ${response.status}`);
  return (await response.json()) as T;
}
