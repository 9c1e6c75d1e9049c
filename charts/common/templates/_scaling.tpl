{{/* A PodDisruptionBudget. Takes root, name, component and pdb (values). */}}
{{- define "larder.disruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "larder.metadata" (dict "root" .root "name" .name "component" .component) | nindent 2 }}
spec:
  {{- if .pdb.minAvailable }}
  minAvailable: {{ .pdb.minAvailable }}
  {{- else }}
  maxUnavailable: {{ .pdb.maxUnavailable | default 1 }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "larder.selectorLabels" (dict "root" .root "component" .component) | nindent 6 }}
{{- end -}}

{{/* Scales a workload by its use of CPU and memory; by 75 % of CPU if values name neither. Takes root, name, component, kind and autoscaling (values). */}}
{{- define "larder.autoscaler" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "larder.metadata" (dict "root" .root "name" .name "component" .component) | nindent 2 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: {{ .kind }}
    name: {{ .name | quote }}
  minReplicas: {{ int .autoscaling.minReplicas }}
  maxReplicas: {{ int .autoscaling.maxReplicas }}
  metrics:
    {{- range $resource, $use := dict "cpu" (.autoscaling.targetCPU | default (ternary "" 75 (not (empty .autoscaling.targetMemory)))) "memory" .autoscaling.targetMemory }}
    {{- with $use }}
    - type: Resource
      resource:
        name: {{ $resource | quote }}
        target:
          type: Utilization
          averageUtilization: {{ int . }}
    {{- end }}
    {{- end }}
{{- end -}}
