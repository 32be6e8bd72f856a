/** The format number that this program writes, and the highest it reads. */
export const INDEX_FORMAT = 2;

/** What a bundle is made of. In a stack directory it is the text of `index.json`; a bundle file adds {@linkcode PackedIndex}. */
export interface BundleIndex {
  format: number;
  /** For example `kubernetes-1.20.2`. */
  name: string;
  /** `os/architecture`, for example `linux/amd64`. */
  platform: string;
  entries: BundleEntry[];
  /** Further names of files of the runtime. */
  links?: RuntimeLinkEntry[];
}

interface EntryBase {
  name: string;
  version: string;
  /** Path of the file, relative to the index of a stack directory; absent in a bundle file. */
  path?: string;
  /** Bytes of the file; of an image in a bundle file, those of its layers and its configuration. */
  size: number;
  /** What the file was made from, for a person. */
  source: string;
  platform: string;
}

interface FileEntry extends EntryBase {
  /** Lower-case hex digest of the file. */
  sha256: string;
}

/** A program of the host: `binary` goes to `/opt/pf9/bin`, `cni` to `/opt/cni/bin`. */
export interface BinaryEntry extends FileEntry {
  kind: "binary" | "cni";
}

/** A container image: a docker archive in a stack directory, layers by digest in a bundle file. */
export interface ImageEntry extends EntryBase {
  kind: "image";
  /** The name that containers and pods use, for example `nodelet.local/etcd:3.4.23-0`. */
  reference: string;
  /** `sha256:` and 64 hex digits: what Docker shows as the id of the loaded image, and the digest of its configuration. */
  imageId: string;
  /** Digest of the docker archive, in a stack directory. */
  sha256?: string;
  /** Digests of the layers as plain tar, lowest first, in a bundle file. */
  layers?: string[];
}

/**
 * A file of the container runtime that travels along for hosts without Docker. Its name is its place below `/opt/pf9`, for
 * example `bin/dockerd` or `lib/xtables/libxt_comment.so`.
 */
export interface RuntimeEntry extends FileEntry {
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

/** A text that travels along: a licence named by its package, or a manifest that a phase applies. */
export interface TextEntry extends FileEntry {
  kind: "licence" | "manifest";
}

/** One file of a bundle. */
export type BundleEntry = BinaryEntry | ImageEntry | RuntimeEntry | TextEntry;

/** What the index of a bundle file has beside {@linkcode BundleIndex}. */
export interface PackedIndex extends BundleIndex {
  /** Words for what a reader must know to read this file rightly; one that it does not know, and it refuses. */
  requires: string[];
  /** Bytes of plain data in every chunk but the last one of a blob. */
  chunkSize: number;
  /** The executable before the payload; absent in a bundle that is a file of its own. */
  program?: { size: number; sha256: string; chunks: string[] };
  /** Every piece of content once, in the order of the file. */
  blobs: Blob[];
}

/** One piece of content: chunks of plain data, each compressed by itself. */
export interface Blob {
  /** Lower-case hex digest of the plain data. */
  sha256: string;
  /** Bytes of plain data. */
  size: number;
  /** Where it begins, in bytes from the start of the payload. */
  offset: number;
  /** Bytes as stored. */
  stored: number;
  /** Lower-case hex digest of the stored bytes. */
  storedSha256: string;
  /** Of each chunk: bytes and digest as stored. */
  chunks: [bytes: number, sha256: string][];
}

/** Plain bytes of a chunk: small enough to hold several in memory, large enough to compress well. */
export const CHUNK_SIZE = 4 * 2 ** 20;
