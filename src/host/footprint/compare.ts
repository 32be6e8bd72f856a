import { areas, type Facts, type Footprint } from "./footprint.ts";

/** One thing that is not as it was: `-` is gone, `+` is new, `~` is another. */
export interface Difference {
  sign: "-" | "+" | "~";
  area: string;
  thing: string;
  /** How it was; absent for what is new. */
  before?: string;
  /** How it is; absent for what is gone. */
  now?: string;
}

/** What is not as it was, area by area, things by name. Areas that were not seen both times are not compared. */
export function compareFootprints(before: Footprint, now: Footprint): Difference[] {
  return areas.flatMap(({ name, ignoresNew }) => {
    const [was, is] = [before.areas[name], now.areas[name]];
    if (!was || !is) return [];
    const found = compareFacts(name, { was, is });
    return ignoresNew ? found.filter(({ sign }) => sign === "~") : found;
  });
}

/** Names of the areas that were not seen both times. */
export function unseenAreas(before: Footprint, now: Footprint): string[] {
  return areas.map(({ name }) => name).filter((name) => !before.areas[name] || !now.areas[name]);
}

function compareFacts(area: string, { was, is }: { was: Facts; is: Facts }): Difference[] {
  const things = [...new Set([...Object.keys(was), ...Object.keys(is)])].sort();
  return things.flatMap((thing): Difference[] => {
    const [before, now] = [was[thing], is[thing]];
    if (before === now) return [];
    if (before === undefined) return [{ sign: "+", area, thing, ...(now !== undefined && { now }) }];
    if (now === undefined) return [{ sign: "-", area, thing, before }];
    return [{ sign: "~", area, thing, before, now }];
  });
}

/** One line: `- was there before`, `+ is there now`, `~ thing: before → now`. */
export function differenceLine({ sign, thing, before, now }: Difference): string {
  if (sign === "~") return `~ ${thing}: ${before || "there"} → ${now || "there"}`;
  const state = sign === "-" ? before : now;
  return `${sign} ${thing}${state ? `: ${state}` : ""}`;
}
