import { counted } from "../src/bundle/content.ts";
import { indexText } from "../src/bundle/index-text.ts";
import { neededImages } from "../src/bundle/needed.ts";
import type { Ctx } from "../src/ctx.ts";
import { ensureAll } from "../src/host/host.ts";
import type { ImageEntry } from "../src/bundle/index-format.ts";
import { PIN_LABEL } from "../src/host/kinds/image.ts";
import type { Phase, Say } from "../src/runner/phase.ts";
import { progressText } from "../src/size-text.ts";

/** Milliseconds between two words about loading. */
const SAY_MS = 200;

/** The images of the bundle that this node runs in the engine, each exactly the one of the index, by id. */
export const loadImages: Phase = {
  id: "048-load-images",
  title: "Load user images to container runtime",
  roles: ["master", "worker"],
  needs: ["045-docker-start"],
  async start(ctx, say) {
    const missing = await missingImages(ctx);
    const report = reporter(missing, { clock: ctx.clock, say });
    return await ensureAll(ctx.host, [
      { kind: "dir", path: "/opt/pf9/nodelet", mode: 0o755 },
      {
        kind: "file",
        path: ctx.paths.installedIndex,
        content: indexText(ctx.bundle),
        mode: 0o644,
      },
      ...missing.map(
        (image) =>
          ({
            kind: "image",
            reference: image.reference,
            imageId: image.imageId,
            archive: () => counted(ctx.bundle.content(image), (bytes) => report(image.name, bytes)),
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

/** Says how much of all images went to the engine, not more often than a person can read. */
function reporter(
  images: readonly ImageEntry[],
  { clock, say }: { clock: Ctx["clock"]; say: Say | undefined },
) {
  const total = images.reduce((sum, { size }) => sum + size, 0);
  const begun = clock.monotonic();
  let done = 0;
  let said = begun;
  return (name: string, bytes: number) => {
    done += bytes;
    const now = clock.monotonic();
    if (now - said < SAY_MS) return;
    said = now;
    say?.(`${name}: ${progressText({ done, total, ms: now - begun })}`);
  };
}

/** Images that this node runs whose name does not stand for the id of the index, or that nothing holds. */
async function missingImages({ docker, bundle, config, host }: Ctx): Promise<ImageEntry[]> {
  const images = neededImages(bundle, config);
  if (host.detached && !(await docker.alive())) return images;
  const [pins, ...ids] = await Promise.all([
    docker.list([PIN_LABEL]),
    ...images.map((image) => docker.imageId(image.reference)),
  ]);
  const pinned = new Set(pins.map(({ imageId }) => imageId));
  return images.filter((image, at) => ids[at] !== image.imageId || !pinned.has(image.imageId));
}
