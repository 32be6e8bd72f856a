import type { Area, Facts } from "./footprint.ts";

/**
 * Units that nodelet makes, starts or needs. A failure of any other unit is none of ours: on a host without network some
 * timer of the distribution fails every day.
 */
const UNITS = ["docker.service", "docker.socket", "containerd.service", "pf9*", "kube*", "var-lib-kubelet*"];

/** systemd's view of them; what is on the disk is an area of its own. */
export const unitsArea: Area = {
  name: "units",
  async look({ machine }) {
    const properties = "--property=Id,LoadState,ActiveState,UnitFileState";
    const shown = await machine
      .run(["systemctl", "show", properties, ...UNITS], { check: false, timeoutMs: 10_000 })
      .catch(() => undefined);
    return shown?.exitCode === 0 ? parseUnits(shown.stdout) : undefined;
  },
};

/** Facts from `systemctl show`; blocks of lines `Name=value` with an empty line between them. */
export function parseUnits(shown: string): Facts {
  const units = shown
    .trim()
    .split(/\n\n+/)
    .map((block) => new Map(block.split("\n").map((line) => line.split("=", 2) as [string, string])))
    .filter((unit) => unit.get("Id") && unit.get("LoadState") !== "not-found");
  return Object.fromEntries(
    units.map((unit) => [
      `unit ${unit.get("Id")}`,
      ["LoadState", "ActiveState", "UnitFileState"]
        .map((name) => unit.get(name))
        .filter(Boolean)
        .join(", "),
    ]),
  );
}
