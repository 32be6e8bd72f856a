import type { Kind } from "../kind.ts";
import {
  type ChainsWanted,
  chainsKind,
  type InterfaceWanted,
  interfaceKind,
  type PodContainersWanted,
  podContainersKind,
} from "./claims.ts";
import { type ChainWanted, chainKind } from "./chain.ts";
import { type AddressWanted, addressKind } from "./address.ts";
import { type ContainerWanted, containerKind } from "./container.ts";
import { type CopyWanted, copyKind } from "./copy.ts";
import { type DirWanted, dirKind, type TreeWanted, treeKind } from "./dir.ts";
import { type EmptiedWanted, emptiedKind } from "./emptied.ts";
import { type AbsentWanted, absentKind, type FileWanted, fileKind } from "./file.ts";
import { type ImageWanted, imageKind } from "./image.ts";
import { type LinkWanted, linkKind } from "./link.ts";
import { type ModuleWanted, moduleKind } from "./module.ts";
import { type PeerRoutesWanted, peerRoutesKind } from "./peer-routes.ts";
import { type RouteWanted, routeKind } from "./route.ts";
import { type RoutesIntoWanted, routesIntoKind } from "./routes-into.ts";
import { type SysctlWanted, sysctlKind } from "./sysctl.ts";
import { type TunnelWanted, tunnelKind } from "./tunnel.ts";
import { type UnitWanted, unitKind } from "./unit.ts";

interface WantedByKind {
  file: FileWanted;
  absent: AbsentWanted;
  dir: DirWanted;
  emptied: EmptiedWanted;
  link: LinkWanted;
  copy: CopyWanted;
  sysctl: SysctlWanted;
  module: ModuleWanted;
  route: RouteWanted;
  peerRoutes: PeerRoutesWanted;
  tunnel: TunnelWanted;
  chain: ChainWanted;
  unit: UnitWanted;
  container: ContainerWanted;
  image: ImageWanted;
  /** The last six change nothing: they claim what programs that we start will make. */
  tree: TreeWanted;
  chains: ChainsWanted;
  interface: InterfaceWanted;
  address: AddressWanted;
  pods: PodContainersWanted;
  routesInto: RoutesIntoWanted;
}

/** The name of a kind. */
export type KindName = keyof WantedByKind;

/** Any wanted state, for example `{ kind: "sysctl", name: "kernel.panic", value: "10" }`. */
export type AnyWanted = { [K in KindName]: { kind: K } & WantedByKind[K] }[KindName];

// Each entry is checked against its own types where it is defined.
type AnyKind = Kind<any, any>;

/** Every kind of thing that nodelet may change on a host. */
export const kinds: Readonly<Record<KindName, AnyKind>> = {
  file: fileKind,
  absent: absentKind,
  dir: dirKind,
  emptied: emptiedKind,
  link: linkKind,
  copy: copyKind,
  sysctl: sysctlKind,
  module: moduleKind,
  route: routeKind,
  peerRoutes: peerRoutesKind,
  tunnel: tunnelKind,
  chain: chainKind,
  unit: unitKind,
  container: containerKind,
  image: imageKind,
  tree: treeKind,
  chains: chainsKind,
  interface: interfaceKind,
  address: addressKind,
  pods: podContainersKind,
  routesInto: routesIntoKind,
};

/** Kinds that are journaled though ensuring them changes nothing. */
export const claims: ReadonlySet<KindName> = new Set([
  "tree",
  "chains",
  "interface",
  "address",
  "pods",
  "routesInto",
]);

/** Kinds that only a running engine can tell about. */
export const engineKinds: ReadonlySet<KindName> = new Set(["container", "image"]);

/** Kinds that concern files alone, and so work under any root. */
export const fileKinds: ReadonlySet<KindName> = new Set([
  "file",
  "absent",
  "dir",
  "emptied",
  "link",
  "copy",
  "tree",
]);
