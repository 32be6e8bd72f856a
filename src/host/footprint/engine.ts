import type { Area, Facts } from "./footprint.ts";

interface InfoAnswer {
  LiveRestoreEnabled: boolean;
  LoggingDriver: string;
  CgroupDriver: string;
  DefaultRuntime: string;
}

interface ContainerAnswer {
  Names: string[] | null;
  ImageID: string;
  State: string;
}

interface ImageAnswer {
  Id: string;
  RepoTags: string[] | null;
}

interface NetworkAnswer {
  Name: string;
  Driver: string;
}

interface VolumesAnswer {
  Volumes: { Name: string }[] | null;
}

/** What the host's own engine has, and how it is set; nothing is seen while none runs. */
export const engineArea: Area = {
  name: "engine",
  async look(probe) {
    const [info, containers, images, networks, volumes] = await Promise.all(
      ["/info", "/containers/json?all=1", "/images/json", "/networks", "/volumes"].map((path) =>
        probe.engine(path),
      ),
    );
    if (!info || !containers || !images || !networks || !volumes) return undefined;
    return {
      ...settings(info as InfoAnswer),
      ...Object.fromEntries((containers as ContainerAnswer[]).map(containerFact)),
      ...Object.fromEntries((images as ImageAnswer[]).flatMap(imageFacts)),
      ...Object.fromEntries((networks as NetworkAnswer[]).map((one) => [`network ${one.Name}`, one.Driver])),
      ...Object.fromEntries(
        ((volumes as VolumesAnswer).Volumes ?? []).map((one) => [`volume ${one.Name}`, ""]),
      ),
    };
  },
};

function settings(info: InfoAnswer): Facts {
  return {
    "Docker's live restore": String(info.LiveRestoreEnabled),
    "Docker's log driver": info.LoggingDriver,
    "Docker's cgroup driver": info.CgroupDriver,
    "Docker's default runtime": info.DefaultRuntime,
  };
}

/** Without its id: one that was made anew from the same image is the same to its owner. */
function containerFact({ Names, ImageID, State }: ContainerAnswer): [string, string] {
  // One that waits for its next start is about to run.
  const runs = State === "running" || State === "restarting";
  return [
    `container ${Names?.[0]?.replace(/^\//, "")}`,
    `${runs ? "running" : "not running"}, image ${short(ImageID)}`,
  ];
}

function imageFacts({ Id, RepoTags }: ImageAnswer): [string, string][] {
  const names = (RepoTags ?? []).filter((name) => name !== "<none>:<none>");
  if (names.length === 0) return [[`image ${short(Id)}`, "without a name"]];
  return names.map((name) => [`image ${name}`, short(Id)]);
}

const short = (id: string) => id.replace(/^sha256:/, "").slice(0, 12);
