import type { Check } from "../check.ts";

/** An index alone cannot bring back what is missing. */
export const bundleNotAtHand: Check = {
  code: "BundleNotAtHand",
  level: "error",
  title: "the bundle is at hand for what is not on the host yet",
  run({ facts, bundle }) {
    // While no engine answers, nobody knows which images it has.
    const missing = facts.missing.filter((entry) => entry.kind !== "image" || facts.engine);
    if (bundle.source !== undefined || missing.length === 0) return [];
    const names = missing.map((entry) => entry.name).join(", ");
    return [
      {
        message: `The bundle "${bundle.index.name}" is not at hand, and this host lacks of it: ${names}`,
        hint: "name it with --bundle FILE",
      },
    ];
  },
};
