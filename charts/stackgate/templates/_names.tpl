{{/* Labels of every object. */}}
{{- define "stackgate.labels" -}}
app.kubernetes.io/name: stackgate
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* What tells the pods of this release from others. */}}
{{- define "stackgate.selector" -}}
app.kubernetes.io/name: stackgate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The user name that the API server sees when the controller calls. */}}
{{- define "stackgate.controllerUser" -}}
{{- .Values.policies.controllerUser | default (printf "system:serviceaccount:%s:%s" .Release.Namespace .Values.serviceAccount.name) -}}
{{- end }}

{{/* The head of a ClusterRole for people. */}}
{{- define "stackgate.role" }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ .name }}
  labels:
    {{- include "stackgate.labels" .top | nindent 4 }}
rules:
{{- end }}

{{/* What the schema cannot say. */}}
{{- define "stackgate.check" -}}
{{- if has (include "stackgate.controllerUser" .) .Values.policies.gitopsUsers }}
{{- fail (printf "policies.gitopsUsers: %s is the controller" (include "stackgate.controllerUser" .)) }}
{{- end }}
{{- end }}

{{/*
What the policies say: for each policy and binding a line with the digest of its spec, its kind and its name. The controller computes
the same of what it finds in the cluster (src/kube/policies/digest.rs). What is not installed has no line, such as sign before 1.36.
*/}}
{{- define "stackgate.policiesDigests" -}}
{{- $lines := list }}
{{- range list "decisions" "keep-stops" "plans" "room" "setgate" "sign" "status" }}
{{- range splitList "\n---\n" (include (printf "%s/policies/%s.yaml" $.Template.BasePath .) $) }}
{{- with $object := fromYaml . }}
{{- $lines = append $lines (printf "sha256:%s %s/%s" (toJson $object.spec | sha256sum) $object.kind $object.metadata.name) }}
{{- end }}
{{- end }}
{{- end }}
{{- join "\n" $lines }}
{{- end }}
