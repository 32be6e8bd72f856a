/** The format number that this program writes, and the highest it reads. */
export const INDEX_FORMAT = 1;

/** What a bundle is made of: the text of its `index.json`. */
export interface BundleIndex {
  format: number;
  /** For example `kubernetes-1.20.2`. */
  name: string;
  /** `os/architecture`, for example `linux/amd64`. */
  platform: string;
  entries: BundleEntry[];
}

interface EntryBase {
  name: string;
  version: string;
  /** Path of the file, relative to the index. */
  path: string;
  /** Bytes of the file. */
  size: number;
  /** Lower-case hex digest of the file. */
  sha256: string;
  /** What the file was made from, for a person. */
  source: string;
  platform: string;
}

/** A program of the host: `binary` goes to `/opt/pf9/bin`, `cni` to `/opt/cni/bin`. */
export interface BinaryEntry extends EntryBase {
  kind: "binary" | "cni";
}

/** A container image as a docker archive. */
export interface ImageEntry extends EntryBase {
  kind: "image";
  /** The name that containers and pods use, for example `nodelet.local/etcd:3.4.23-0`. */
  reference: string;
  /** `sha256:` and 64 hex digits: what Docker shows as the id of the loaded image. */
  imageId: string;
}

/**
 * A file of the container runtime that travels along for hosts without Docker. Its name is its place below `/opt/pf9`, for
 * example `bin/dockerd` or `lib/xtables/libxt_comment.so`.
 */
export interface RuntimeEntry extends EntryBase {
  kind: "runtime";
  /** `0o755` or `0o644`, as a number. */
  mode: number;
}

/** A further name of a file of the runtime: `bin/iptables` is a link to `xtables-nft-multi` beside it. */
export interface RuntimeLinkEntry {
  kind: "runtime-link";
  name: string;
  /** A name in the same directory. */
  target: string;
}

/** The licence of something that the bundle carries, named by the package. */
export interface LicenceEntry extends EntryBase {
  kind: "licence";
}

/** One file of a bundle. */
export type BundleEntry = BinaryEntry | ImageEntry | RuntimeEntry | LicenceEntry;
