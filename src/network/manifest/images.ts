import type { ImageEntry } from "../../bundle/index-format.ts";
import type { ManifestObject } from "./read.ts";

/** The images that a manifest's containers are made from, each once, as the manifest names them. */
export function imagesOf(objects: readonly ManifestObject[]): string[] {
  return [...new Set(objects.flatMap(imagesIn))];
}

/** Wherever pods are described: in a Pod, in the template of a DaemonSet, in that of a CronJob. */
function imagesIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) => {
    const containers = (key === "containers" || key === "initContainers") && Array.isArray(one) ? one : [];
    const images = containers.map((container: { image?: unknown } | null) => container?.image);
    return [...images.filter((image) => typeof image === "string"), ...imagesIn(one)];
  });
}

/** Those of the images that are not in the bundle: there is nowhere else to get them from. */
export function imagesMissing(images: readonly string[], bundle: readonly ImageEntry[]): string[] {
  const there = new Set(bundle.map(({ reference }) => fullReference(reference)));
  return images.filter((image) => !there.has(fullReference(image)));
}

/**
 * A name of an image in full, as the engine takes it: with registry and tag.
 *
 * @see https://github.com/distribution/reference/blob/main/normalize.go
 */
export function fullReference(image: string): string {
  const [first = "", ...rest] = image.split("/");
  const isRegistry = rest.length > 0 && (/[.:]/.test(first) || first === "localhost");
  const path = isRegistry ? rest.join("/") : image;
  const registry = isRegistry ? first : "docker.io";
  const library = registry === "docker.io" && !path.includes("/") ? "library/" : "";
  const tag = /[:@]/.test(path) ? "" : ":latest";
  return `${registry}/${library}${path}${tag}`;
}
