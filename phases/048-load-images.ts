import type { Bundle } from "../src/bundle/bundle.ts";
import type { Ctx } from "../src/ctx.ts";
import { ensureAll } from "../src/host/host.ts";
import type { ImageEntry } from "../src/bundle/index-format.ts";
import { PIN_LABEL } from "../src/host/kinds/image.ts";
import type { Phase } from "../src/runner/phase.ts";

/** The images of the bundle in the engine, each exactly the one of the index, by id. */
export const loadImages: Phase = {
  id: "048-load-images",
  title: "Load user images to container runtime",
  roles: ["master", "worker"],
  needs: ["045-docker-start"],
  async start(ctx) {
    const missing = await missingImages(ctx);
    return await ensureAll(ctx.host, [
      { kind: "dir", path: "/opt/pf9/nodelet", mode: 0o755 },
      {
        kind: "file",
        path: ctx.paths.installedIndex,
        content: installedIndex(ctx.bundle),
        mode: 0o644,
      },
      ...missing.map(
        (image) =>
          ({
            kind: "image",
            ...pick(image),
            archive: () => ctx.bundle.content(image),
            from: ctx.bundle.source?.path ?? ctx.bundle.index.name,
          }) as const,
      ),
    ]);
  },
  // Images cost nothing while they lie there, and much to bring back; reset removes them.
  stop: async () => "unchanged",
  async status(ctx) {
    const missing = await missingImages(ctx);
    if (missing.length === 0) return { state: "running" };
    return { state: "failed", message: `missing: ${missing.map((image) => image.reference).join(", ")}` };
  },
};

/** What the bundle is made of, without where its content lies. */
function installedIndex({ index }: Bundle): string {
  const { format, name, platform, entries, links } = index;
  return `${JSON.stringify({ format, name, platform, entries, ...(links && { links }) }, null, 2)}\n`;
}

const pick = ({ reference, imageId }: ImageEntry) => ({ reference, imageId });

/** Images whose name does not stand for the id of the index, or that nothing holds. */
async function missingImages({ docker, bundle, host }: Ctx): Promise<ImageEntry[]> {
  if (host.detached && !(await docker.alive())) return [...bundle.images];
  const [pins, ...ids] = await Promise.all([
    docker.list([PIN_LABEL]),
    ...bundle.images.map((image) => docker.imageId(image.reference)),
  ]);
  const pinned = new Set(pins.map(({ imageId }) => imageId));
  return bundle.images.filter((image, at) => ids[at] !== image.imageId || !pinned.has(image.imageId));
}
