import { DOCKER_SOCKET, getFromEngine } from "../../docker/api.ts";
import type { Machine } from "../machine.ts";
import type { FootprintProbe } from "./footprint.ts";

/** The probe of the machine that this runs on. */
export function systemFootprintProbe(machine: Machine): FootprintProbe {
  return {
    machine,
    pid: process.pid,
    async engine(path) {
      try {
        return (await (await getFromEngine(DOCKER_SOCKET, path)).json()) as unknown;
      } catch {
        return undefined;
      }
    },
  };
}
