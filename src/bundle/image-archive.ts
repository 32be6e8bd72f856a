import { posix } from "node:path";
import { AppError } from "../errors.ts";
import { type OpenFile, readRange } from "./chunks.ts";
import type { Content } from "./content.ts";
import type { ImageEntry } from "./index-format.ts";
import { listTar, memberSize, TAR_END, tarHeader, tarPadding, type TarMember } from "./tar.ts";

/** Bytes; one image has some hundred of them. */
const LARGEST_MANIFEST = 2 ** 20;

/**
 * An image in the form that `docker load` reads, made while it is read: nothing is written anywhere.
 *
 * @param blob gives the content of a blob by its digest
 */
export function imageArchive(image: ImageEntry, blob: (digest: string) => Content): Content {
  const config = image.imageId.slice("sha256:".length);
  const layers = image.layers ?? [];
  const members: { name: string; content: Content }[] = [
    { name: `${config}.json`, content: blob(config) },
    ...[...new Set(layers)].map((layer) => ({ name: `${layer}/layer.tar`, content: blob(layer) })),
  ];
  const manifest = Buffer.from(
    JSON.stringify([
      {
        Config: `${config}.json`,
        RepoTags: [image.reference],
        Layers: layers.map((layer) => `${layer}/layer.tar`),
      },
    ]),
  );
  const all = [{ name: "manifest.json", content: bytesContent(manifest) }, ...members];
  return {
    size: all.reduce((sum, { content }) => sum + memberSize(content.size), TAR_END.length),
    async *stream() {
      for (const { name, content } of all) {
        yield tarHeader(name, content.size);
        yield* content.stream();
        yield tarPadding(content.size);
      }
      yield TAR_END;
    },
  };
}

/** What stands in memory, as content. */
export function bytesContent(bytes: Uint8Array): Content {
  return {
    size: bytes.length,
    async *stream() {
      yield bytes;
    },
  };
}

/** What a docker archive holds of one image: where its configuration and its layers are. */
export interface ArchiveParts {
  config: TarMember;
  layers: TarMember[];
  /** Names that it was saved under. */
  references: string[];
}

/**
 * Finds the one image of a docker archive.
 *
 * @param file an archive by `docker save`, old or new form, or by the stack assembly
 * @throws AppError when it holds another number of images, or a part is missing
 */
export async function readArchive(file: OpenFile): Promise<ArchiveParts> {
  const fail = (what: string) =>
    new AppError(`Cannot use the image archive "${file.path}": ${what}`, { hint: "save the image again" });
  const members = new Map((await listTar(file)).map((member) => [member.name, member]));
  const resolve = (name: string, depth = 0): TarMember => {
    const member = members.get(posix.normalize(name));
    if (!member || depth > 4) throw fail(`it has no "${name}"`);
    return member.link === undefined
      ? member
      : resolve(posix.join(posix.dirname(member.name), member.link), depth + 1);
  };
  const place = resolve("manifest.json");
  if (place.size > LARGEST_MANIFEST) throw fail(`its manifest.json has ${place.size} bytes`);
  const text = (await readRange(file, { at: place.offset, size: place.size })).toString();
  const images = imagesOf(text);
  if (!images) throw fail("its manifest.json is no list of images");
  const [image] = images;
  if (!image || images.length !== 1) throw fail(`it holds ${images.length} images; expected one`);
  const config = resolve(image.Config);
  const layers = image.Layers.map((name) => resolve(name));
  return { config, layers, references: image.RepoTags ?? [] };
}

/** What a manifest says of an image. */
interface ManifestImage {
  Config: string;
  Layers: string[];
  RepoTags?: string[] | null;
}

function imagesOf(text: string): ManifestImage[] | undefined {
  const isText = (value: unknown) => typeof value === "string";
  try {
    const images = JSON.parse(text) as ManifestImage[];
    const good = images.every(
      ({ Config, Layers, RepoTags }) =>
        isText(Config) && Layers.every(isText) && (RepoTags ?? []).every(isText),
    );
    return good ? images : undefined;
  } catch {
    return undefined;
  }
}
