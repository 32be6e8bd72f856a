import type { Content } from "../../bundle/content.ts";
import { AppError } from "../../errors.ts";
import type { Kind } from "../kind.ts";

/** An image in the engine under a name, exactly this one by id. */
export interface ImageWanted {
  reference: string;
  imageId: string;
  /** Gives the docker archive to load it from; asked only when it must be loaded. */
  archive: () => Content;
  /** Where the archive comes from, for messages. */
  from: string;
}

/** What the engine had under the name. */
export interface ImageFound {
  imageId: string | null;
  /** Whether the wanted image was there under any name. */
  present: boolean;
}

/** Images that nodelet loads from the bundle. */
export const imageKind: Kind<ImageWanted, ImageFound> = {
  key: (wanted) => wanted.reference,
  async read(machine, wanted) {
    const [byName, byId] = await Promise.all([
      machine.docker.imageId(wanted.reference),
      machine.docker.imageId(wanted.imageId),
    ]);
    return { imageId: byName ?? null, present: byId !== undefined };
  },
  same: (found, wanted) => found.imageId === wanted.imageId,
  async apply(machine, wanted) {
    if ((await machine.docker.imageId(wanted.imageId)) === undefined)
      await machine.docker.load(wanted.archive(), wanted.reference);
    const loaded = await machine.docker.imageId(wanted.imageId);
    if (loaded === undefined) {
      throw new AppError(
        `Cannot load the image "${wanted.reference}": "${wanted.from}" does not hold the image ${wanted.imageId}`,
        { hint: "make the bundle again" },
      );
    }
    if ((await machine.docker.imageId(wanted.reference)) !== wanted.imageId) {
      await machine.docker.tag(wanted.imageId, wanted.reference);
    }
  },
  async restore(machine, { key, before }) {
    if (!(await machine.docker.alive())) return;
    if (before.imageId === null) return await machine.docker.removeImage(key);
    const now = await machine.docker.imageId(key);
    if (now !== before.imageId && (await machine.docker.imageId(before.imageId))) {
      await machine.docker.tag(before.imageId, key);
    }
  },
  describe: (found, wanted) => ({
    from: found.imageId?.slice(7, 19) ?? (found.present ? "present, no name" : "absent"),
    to: wanted.imageId.slice(7, 19),
  }),
};
