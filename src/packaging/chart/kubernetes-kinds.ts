// The kinds of objects that charts may contain, and the versions of Kubernetes for which they are checked. The schemas of the kinds are in
// charts/schemas/; `npm run kubernetes-schemas` writes them.

/** The oldest version that charts support (`kubeVersion` in Chart.yaml), and the newest whose schemas were published. */
export const KUBERNETES_VERSIONS = ['1.25.0', '1.37.0'] as const;
export type KubernetesVersion = (typeof KUBERNETES_VERSIONS)[number];

/** For each apiVersion and kind, the name of its definition in the schemas. */
export const KUBERNETES_KINDS: Readonly<Record<string, string>> = {
  'v1 ConfigMap': 'io.k8s.api.core.v1.ConfigMap',
  'v1 PersistentVolumeClaim': 'io.k8s.api.core.v1.PersistentVolumeClaim',
  'v1 Pod': 'io.k8s.api.core.v1.Pod',
  'v1 Secret': 'io.k8s.api.core.v1.Secret',
  'v1 Service': 'io.k8s.api.core.v1.Service',
  'v1 ServiceAccount': 'io.k8s.api.core.v1.ServiceAccount',
  'apps/v1 DaemonSet': 'io.k8s.api.apps.v1.DaemonSet',
  'apps/v1 Deployment': 'io.k8s.api.apps.v1.Deployment',
  'apps/v1 StatefulSet': 'io.k8s.api.apps.v1.StatefulSet',
  'autoscaling/v2 HorizontalPodAutoscaler': 'io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler',
  'batch/v1 CronJob': 'io.k8s.api.batch.v1.CronJob',
  'batch/v1 Job': 'io.k8s.api.batch.v1.Job',
  'networking.k8s.io/v1 Ingress': 'io.k8s.api.networking.v1.Ingress',
  'networking.k8s.io/v1 NetworkPolicy': 'io.k8s.api.networking.v1.NetworkPolicy',
  'policy/v1 PodDisruptionBudget': 'io.k8s.api.policy.v1.PodDisruptionBudget',
  'rbac.authorization.k8s.io/v1 ClusterRole': 'io.k8s.api.rbac.v1.ClusterRole',
  'rbac.authorization.k8s.io/v1 ClusterRoleBinding': 'io.k8s.api.rbac.v1.ClusterRoleBinding',
  'rbac.authorization.k8s.io/v1 Role': 'io.k8s.api.rbac.v1.Role',
  'rbac.authorization.k8s.io/v1 RoleBinding': 'io.k8s.api.rbac.v1.RoleBinding',
};

/**
 * Kinds that operators define and charts use. The schemas of Kubernetes do not contain them, so only their names and labels are checked.
 */
export const FOREIGN_KINDS: readonly string[] = [
  'monitoring.coreos.com/v1 PodMonitor',
  'monitoring.coreos.com/v1 PrometheusRule',
  'monitoring.coreos.com/v1 ServiceMonitor',
];
