import { field, optional } from "../field.ts";
import { integer, matching } from "../grammar.ts";
import { adaptFlags, componentFlags } from "../grammar-kube.ts";

/** API server, controller manager and scheduler. */
export const controlPlane = {
  apiServerFlags: field(componentFlags(), {
    shared: true,
    alias: "API_SERVER_FLAGS",
    default: [],
    adapt: adaptFlags,
    about: "Further flags of the API server, each --name=value",
  }),
  controllerManagerFlags: field(componentFlags(), {
    shared: true,
    alias: "CONTROLLER_MANAGER_FLAGS",
    default: [],
    adapt: adaptFlags,
    about: "Further flags of the controller manager, each --name=value",
  }),
  schedulerFlags: field(componentFlags(), {
    shared: true,
    alias: "SCHEDULER_FLAGS",
    default: [],
    adapt: adaptFlags,
    about: "Further flags of the scheduler, each --name=value",
  }),
  runtimeConfig: optional(
    matching(/^[a-z0-9./-]+(=(true|false))?(,[a-z0-9./-]+(=(true|false))?)*$/, {
      what: "a list of API versions",
      expected: "for example batch/v2alpha1=true,api/beta=false",
    }),
    { shared: true, alias: "RUNTIME_CONFIG", about: "API versions to turn on or off" },
  ),
  auditLogMaxAgeDays: field(integer(1, 3650), {
    shared: true,
    default: 30,
    about: "Days that audit logs are kept",
  }),
  auditLogMaxBackups: field(integer(1, 1000), {
    shared: true,
    default: 10,
    about: "Audit logs that are kept",
  }),
  auditLogMaxSizeMb: field(integer(1, 10240), {
    shared: true,
    default: 100,
    about: "Megabytes after which the audit log is rotated",
  }),
};
