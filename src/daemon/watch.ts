import { type FSWatcher, statSync, watch } from "node:fs";
import { basename, dirname, join } from "node:path";
import { watchContainers } from "../docker/events.ts";
import { type DeclaredThings, watchedPlaces } from "../host/declared.ts";
import { SPEC_LABEL } from "../host/kinds/container.ts";
import { type Machine, placeOf } from "../host/machine.ts";
import { paths } from "../paths.ts";
import type { Wake } from "./wake.ts";

/**
 * Files and directories under watch. Inotify tells of a change within milliseconds; what it misses, such as a directory that
 * was removed and made again, the next look finds, and watches again.
 */
export class FileWatch implements Disposable {
  readonly #wake: Wake;
  readonly #machine: Machine;
  readonly #watchers = new Map<string, { watcher: FSWatcher; names: Set<string>; ino: number | undefined }>();

  /** By the clock on the wall. */
  #followedAt = 0;

  constructor(machine: Machine, wake: Wake) {
    this.#machine = machine;
    this.#wake = wake;
  }

  /**
   * Watches these directories from now on, and no others.
   *
   * @param places names in each directory that matter; an empty set means all
   */
  follow(places: ReadonlyMap<string, Set<string>>): void {
    // Bun lets go what seems to be older than the change before it: after a clock that was set back, all of it.
    const now = Date.now();
    if (now < this.#followedAt) this.#closeAll();
    this.#followedAt = now;
    for (const [dir, { watcher, ino }] of this.#watchers) {
      // One that was removed and made again is another.
      if (places.has(dir) && ino !== undefined && this.#inode(dir) === ino) continue;
      watcher.close();
      this.#watchers.delete(dir);
    }
    for (const [dir, names] of places) {
      const known = this.#watchers.get(dir);
      if (known) known.names = names;
      else this.#add(dir, names);
    }
  }

  #add(dir: string, names: Set<string>): void {
    try {
      const ino = this.#inode(dir);
      const entry = { names, ino, watcher: watch(placeOf(this.#machine, dir)) };
      entry.watcher.on("change", (_type, name) => {
        const text = String(name);
        // Our own writing goes through files that have another name until they are complete.
        if (text.endsWith(".nodelet.tmp")) return;
        if (entry.names.size === 0 || entry.names.has(text)) this.#wake.poke(`file ${join(dir, text)}`);
      });
      entry.watcher.on("error", () => {
        entry.watcher.close();
        this.#watchers.delete(dir);
      });
      this.#watchers.set(dir, entry);
    } catch {
      // Not there yet: asked for again with the next look.
    }
  }

  #inode(dir: string): number | undefined {
    try {
      return statSync(placeOf(this.#machine, dir)).ino;
    } catch {
      return undefined;
    }
  }

  #closeAll(): void {
    for (const { watcher } of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  [Symbol.dispose](): void {
    this.#closeAll();
  }
}

/** Rings for every container of ours, or of Kubernetes' own, that ends or goes, and when the engine itself does. */
export function followDocker(wake: Wake, options: { socket: string; signal: AbortSignal }): Promise<void> {
  return watchContainers({
    ...options,
    onEvent({ action, name, labels }) {
      if (isOurs(labels)) wake.poke(`container ${name}: ${action}`);
    },
    onGone: (reason) => wake.poke(`Docker does not answer: ${reason}`),
    onBack: () => wake.poke("Docker answers again"),
  });
}

/** Workloads come and go by themselves: nobody needs to look at the node for that. */
function isOurs(labels: Readonly<Record<string, string>>): boolean {
  return labels[SPEC_LABEL] !== undefined || labels["io.kubernetes.pod.namespace"] === "kube-system";
}

/** The declared paths to watch, and the places where operators and the kubelet's unit leave word. */
export function placesOf(things: DeclaredThings): Map<string, Set<string>> {
  const places = watchedPlaces(things);
  places.set(paths.configDir, new Set());
  places.set(paths.sitePhases, new Set());
  for (const path of [paths.kubeOverride, paths.kubeletEnded, paths.held, paths.peers, paths.removed]) {
    const names = places.get(dirname(path)) ?? new Set();
    places.set(dirname(path), names.add(basename(path)));
  }
  return places;
}
