import { AppError } from "../errors.ts";

/** What depends on the version of Kubernetes. Every other room asks here. */
export interface KubeVersionFacts {
  /** The kubelet talks to Docker by itself; removed in 1.24. */
  dockershim: boolean;
  /** A kubelet takes its configuration from a ConfigMap; removed in 1.24. */
  dynamicKubeletConfig: boolean;
  /** Labels that say "control plane"; `master` until 1.23, `control-plane` since 1.20. */
  masterLabels: readonly string[];
  /** The taint of a master without workloads; renamed in 1.24. */
  masterTaint: string;
  /** API version of audit policies and of encryption configuration. */
  auditPolicy: string;
  encryption: string;
  /** API version of the scheduler's configuration. */
  scheduler: string;
  eviction: string;
}

/**
 * The facts of a version.
 *
 * @param version for example `v1.20.2`
 * @throws AppError for versions that this program does not know
 * @see https://kubernetes.io/docs/reference/using-api/deprecation-guide/
 */
export function kubeFacts(version: string): KubeVersionFacts {
  const minor = Number(/^v?1\.(\d+)\./.exec(version)?.[1]);
  if (!(minor >= 20 && minor <= 21)) {
    throw new AppError(`Cannot run Kubernetes "${version}"; expected 1.20 or 1.21`, {
      hint: "use a bundle with one of these versions",
    });
  }
  return {
    dockershim: true,
    dynamicKubeletConfig: true,
    masterLabels: ["node-role.kubernetes.io/master", "node-role.kubernetes.io/control-plane"],
    masterTaint: "node-role.kubernetes.io/master",
    auditPolicy: "audit.k8s.io/v1",
    encryption: "apiserver.config.k8s.io/v1",
    scheduler: "kubescheduler.config.k8s.io/v1beta1",
    eviction: "policy/v1beta1",
  };
}
