/** The fields of the health document, in the order of the original's documented sample; whoever reads it knows no others. */
export const HEALTH_FIELDS = [
  "pf9_kube_start_attempt",
  "last_failed_status_check",
  "pf9_cluster_role",
  "last_failed_task",
  "all_tasks",
  "pf9_kube_node_state",
  "current_status_check",
  "completed_tasks",
  "pf9_kube_service_state",
  "all_status_checks",
  "last_failed_status_time",
  "pf9_cluster_id",
  "current_task",
  "status_check_timestamp",
];
