import { field } from "../field.ts";
import { adaptSizes, sizesByPath } from "../grammar-sizes.ts";

/** What a host is to have before it becomes a node. */
export const preflight = {
  storageChecklist: field(sizesByPath(), {
    default: {},
    flag: true,
    adapt: adaptSizes,
    about: "GiB to be free before init, by path; without an entry 1 for etcd's data and 10 for the engine's",
  }),
};
