import type { Machine } from "../machine.ts";
import { cgroupsArea } from "./cgroups.ts";
import { engineArea } from "./engine.ts";
import { filesArea, type Place } from "./files.ts";
import { firewallArea } from "./firewall.ts";
import { mountsArea } from "./mounts.ts";
import { addressesArea, interfacesArea, routesArea, rulesArea } from "./network.ts";
import { processesArea } from "./processes.ts";
import { modulesArea, settingsArea } from "./settings.ts";
import { unitsArea } from "./units.ts";

/** Things by the words a person knows them by, each with the state it is in; empty where being there is all. */
export type Facts = Readonly<Record<string, string>>;

/** What looking is done with. */
export interface FootprintProbe {
  machine: Machine;
  /** What the host's own engine answers to `GET path`; undefined when none answers. */
  engine(path: string): Promise<unknown>;
  /** This process, which is no trace of a node. */
  pid: number;
}

/** Which files are looked at. */
export interface FootprintScope {
  places: readonly Place[];
  /** Whole trees that are passed over: nodelet's own state. */
  hidden: readonly string[];
  /** Directories that go when the journal goes; what is in them is looked at. */
  passing: readonly string[];
}

/** One part of the host that can be looked at. */
export interface Area {
  name: string;
  /** Files alone, which can be looked at under any root. */
  filesOnly?: boolean;
  /** What is there only afterwards is none of ours, for the reason that stands where this is said. */
  ignoresNew?: boolean;
  /** @returns undefined when this cannot be seen on this host, for example without the program for it */
  look(probe: FootprintProbe, scope: FootprintScope): Promise<Facts | undefined>;
}

/** Everything of a host that nodelet, or what it starts, could leave behind, as it was at one time. */
export interface Footprint {
  version: 1;
  /** ISO 8601. */
  takenAt: string;
  /** The same places are looked at when it is compared. */
  places: readonly Place[];
  /** By the name of the area; one that could not be seen is not among them. */
  areas: Readonly<Record<string, Facts>>;
}

/** All areas, in the order in which differences are told. Programs are started first, so that they run meanwhile. */
export const areas: readonly Area[] = [
  unitsArea,
  firewallArea("iptables"),
  firewallArea("ip6tables"),
  rulesArea,
  engineArea,
  settingsArea,
  modulesArea,
  interfacesArea,
  addressesArea,
  routesArea,
  mountsArea,
  cgroupsArea,
  processesArea,
  filesArea,
];

/** Looks at all of it at once, and changes nothing. Under another root than `/` only files are looked at. */
export async function takeFootprint(probe: FootprintProbe, scope: FootprintScope): Promise<Footprint> {
  const live = probe.machine.root === "/";
  const looked = areas
    .filter((area) => live || area.filesOnly)
    .map(async (area) => [area.name, await area.look(probe, scope)] as const);
  const seen = (await Promise.all(looked)).filter((one): one is [string, Facts] => one[1] !== undefined);
  return {
    version: 1,
    takenAt: new Date().toISOString(),
    places: scope.places,
    areas: Object.fromEntries(seen),
  };
}
