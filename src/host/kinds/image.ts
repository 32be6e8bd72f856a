import type { Content } from "../../bundle/content.ts";
import { AppError } from "../../errors.ts";
import type { Kind } from "../kind.ts";
import type { Machine } from "../machine.ts";

/** The label of a container that keeps an image from being removed as unused. */
export const PIN_LABEL = "io.pf9.nodelet.pin";

/**
 * An image in the engine under a name, exactly this one by id. A container that is never started holds it: the kubelet, or
 * somebody who cleans up, removes images that no container uses, and nothing brings one back on a node without a network.
 */
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
  /** Whether a container of ours holds it; absent in records of older versions. */
  pinned?: boolean;
}

/** Images that nodelet loads from the bundle. */
export const imageKind: Kind<ImageWanted, ImageFound> = {
  key: (wanted) => wanted.reference,
  async read(machine, wanted) {
    const [byName, byId, pin] = await Promise.all([
      machine.docker.imageId(wanted.reference),
      machine.docker.imageId(wanted.imageId),
      machine.docker.inspect(pinName(wanted.reference)),
    ]);
    return { imageId: byName ?? null, present: byId !== undefined, pinned: pin?.imageId === wanted.imageId };
  },
  same: (found, wanted) => found.imageId === wanted.imageId && found.pinned === true,
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
    await pin(machine, wanted);
  },
  async restore(machine, { key, before }) {
    if (!(await machine.docker.alive())) return;
    await machine.docker.remove(pinName(key));
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

/** `nodelet-pin-etcd-3.4.23-0` for `nodelet.local/etcd:3.4.23-0`. */
function pinName(reference: string): string {
  return `nodelet-pin-${reference.slice(reference.lastIndexOf("/") + 1).replace(":", "-")}`;
}

async function pin(machine: Machine, { reference, imageId }: ImageWanted): Promise<void> {
  const name = pinName(reference);
  const found = await machine.docker.inspect(name);
  if (found?.imageId === imageId) return;
  await machine.docker.remove(name);
  await machine.docker.create({
    name,
    imageId,
    command: ["/never-started"],
    labels: { [PIN_LABEL]: reference },
    logs: { maxSize: "10m", maxFiles: 2 },
    restart: "no",
  });
}
