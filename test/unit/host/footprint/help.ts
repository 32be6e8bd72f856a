import type {
  Area,
  Facts,
  FootprintProbe,
  FootprintScope,
} from "../../../../src/host/footprint/footprint.ts";
import { fakeMachine, type FakeMachine } from "../../../fake/machine.ts";
import { tmpRoot, type TmpRoot } from "../../../fake/root.ts";

/** A host whose files are below a temporary root, with an engine that answers what is put into `answers`. */
export interface FakeHost extends AsyncDisposable {
  root: TmpRoot;
  machine: FakeMachine;
  probe: FootprintProbe;
  scope: FootprintScope;
  /** What the engine answers, by path. */
  answers: Map<string, unknown>;
  look(area: Area): Promise<Facts | undefined>;
}

/** Makes a host with nothing on it; no places are looked at. */
export async function fakeHost(): Promise<FakeHost> {
  const root = await tmpRoot();
  const machine = fakeMachine(root.path);
  const answers = new Map<string, unknown>();
  const host: FakeHost = {
    root,
    machine,
    answers,
    probe: { machine, pid: 1, engine: async (path) => answers.get(path) },
    scope: { places: [], hidden: [], passing: [] },
    look: (area) => area.look(host.probe, host.scope),
    [Symbol.asyncDispose]: () => root[Symbol.asyncDispose](),
  };
  return host;
}
