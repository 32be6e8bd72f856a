/**
 * What the API server writes into its audit log: who did what, never the content of secrets. CIS 3.2.1 and 3.2.2.
 *
 * @param apiVersion of the policy, for example `audit.k8s.io/v1`
 */
export function auditPolicy(apiVersion: string) {
  return {
    apiVersion,
    kind: "Policy",
    omitStages: ["RequestReceived"],
    rules: [
      // The components' own watching and renewing would drown everything else.
      {
        level: "None",
        users: [
          "system:kube-proxy",
          "system:kube-scheduler",
          "system:kube-controller-manager",
          "system:apiserver",
        ],
        verbs: ["get", "list", "watch"],
      },
      // What the API server makes for itself at each start, hundreds of roles among it, is known to everybody.
      { level: "Metadata", users: ["system:apiserver"] },
      { level: "None", userGroups: ["system:nodes"], verbs: ["get", "list", "watch"] },
      { level: "None", resources: [{ group: "coordination.k8s.io", resources: ["leases"] }] },
      { level: "None", nonResourceURLs: ["/healthz*", "/livez*", "/readyz*", "/version"] },
      { level: "None", resources: [{ group: "", resources: ["events"] }] },
      {
        level: "Metadata",
        resources: [
          { group: "", resources: ["secrets", "configmaps", "serviceaccounts/token"] },
          { group: "authentication.k8s.io", resources: ["tokenreviews"] },
        ],
      },
      { level: "Metadata", verbs: ["get", "list", "watch"] },
      { level: "RequestResponse", resources: [{ group: "rbac.authorization.k8s.io" }] },
      { level: "Request" },
    ],
  };
}
