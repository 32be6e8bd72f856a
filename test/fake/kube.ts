import { AppError } from "../../src/errors.ts";
import type { KubeEvent } from "../../src/kube/watch.ts";
import type { Kube, KubeObject, KubeResponse } from "../../src/kube/client.ts";

/** An API server in memory. */
export interface FakeKube extends Kube {
  /** False: it cannot be reached. */
  up: boolean;
  /** Objects by their path. */
  readonly objects: Map<string, KubeObject>;
  /** Items of lists by the path of the list. */
  readonly lists: Map<string, KubeObject[]>;
  /** Requests that change something, for example `PATCH /api/v1/nodes/n1`. */
  readonly calls: string[];
  /** Answers a request that is no get, apply or patch; 404 when absent. */
  answer: ((method: string, path: string, body: unknown) => KubeResponse) | undefined;
  /** What the next watches tell; without one a watch ends at once. */
  readonly streams: ((watch: { path: string; resourceVersion: string }) => AsyncIterable<KubeEvent>)[];
}

/** Makes an API server without objects. */
export function fakeKube(): FakeKube {
  const reached = () => {
    if (!kube.up) throw new AppError("Cannot reach the API server");
  };
  let version = 0;
  const store = (path: string, object: KubeObject): KubeObject => {
    const uid = kube.objects.get(path)?.metadata.uid ?? `uid-${kube.objects.size + 1}`;
    const stored = { ...object, metadata: { ...object.metadata, uid, resourceVersion: String(++version) } };
    kube.objects.set(path, stored);
    return stored;
  };
  const kube: FakeKube = {
    up: true,
    objects: new Map(),
    lists: new Map(),
    calls: [],
    answer: undefined,
    streams: [],
    async request(method, path, options = {}) {
      reached();
      kube.calls.push(`${method} ${path}`);
      return kube.answer?.(method, path, options.body) ?? { status: 404, body: { metadata: { name: "" } } };
    },
    async get(path) {
      reached();
      const found = kube.objects.get(path);
      return found && structuredClone(found);
    },
    async list(path) {
      reached();
      return structuredClone(kube.lists.get(path) ?? []);
    },
    async create(collection, object) {
      reached();
      const path = `${collection}/${object.metadata.name}`;
      kube.calls.push(`CREATE ${path}`);
      return structuredClone(kube.objects.get(path) ?? store(path, object));
    },
    async apply(path, object) {
      reached();
      kube.calls.push(`APPLY ${path}`);
      return structuredClone(store(path, object));
    },
    async patch(path, patch) {
      reached();
      kube.calls.push(`PATCH ${path}`);
      const found = kube.objects.get(path);
      if (!found) throw new AppError(`API server refused PATCH ${path}: 404 not found`);
      return structuredClone(store(path, merge(found, patch) as KubeObject));
    },
    async *watch(path, { resourceVersion }) {
      reached();
      yield* kube.streams.shift()?.({ path, resourceVersion }) ?? [];
    },
    ready: async () => kube.up,
    live: async () => kube.up,
  };
  return kube;
}

/** A strategic merge, as far as nodelet uses it: null deletes, a list with `$patch: replace` replaces. */
function merge(old: unknown, patch: unknown): unknown {
  if (Array.isArray(patch)) {
    if (patch.some((one) => one?.$patch === "replace")) return patch.filter((one) => !one?.$patch);
    return [...new Set([...((old as unknown[] | undefined) ?? []), ...patch])];
  }
  if (patch === null || typeof patch !== "object") return patch;
  const result: Record<string, unknown> = { ...(old as object | undefined) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value);
  }
  return result;
}
