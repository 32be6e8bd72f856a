import { stringify } from "yaml";

/** One identity's way to the API server. Certificates are embedded, so that the file works alone. */
export interface KubeconfigOptions {
  server: string;
  user: string;
  /** PEM texts. */
  ca: string;
  cert: string;
  key: string;
}

/** A kubeconfig with the contexts `default-context` and `system-context` (namespace kube-system). */
export function renderKubeconfig(options: KubeconfigOptions): string {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const { server, user } = options;
  return stringify(
    {
      apiVersion: "v1",
      kind: "Config",
      clusters: [
        { name: "default-cluster", cluster: { server, "certificate-authority-data": base64(options.ca) } },
      ],
      users: [
        {
          name: user,
          user: { "client-certificate-data": base64(options.cert), "client-key-data": base64(options.key) },
        },
      ],
      contexts: [
        { name: "default-context", context: { cluster: "default-cluster", user, namespace: "default" } },
        { name: "system-context", context: { cluster: "default-cluster", user, namespace: "kube-system" } },
      ],
      "current-context": "default-context",
    },
    { lineWidth: 0 },
  );
}
