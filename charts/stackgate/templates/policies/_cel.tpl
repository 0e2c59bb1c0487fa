{{/*
Pieces of CEL. What comes from values is written by toJson, which is a CEL string (or list of strings) whatever it holds.
The expressions keep to what Kubernetes 1.30 knows.
*/}}

{{/* Annotations that are set to something new; not in variables, since match conditions know none. */}}
{{- define "cel.isTouched" -}}
k.startsWith('gate.stackgate.dev/') && (request.operation == 'CREATE' || oldObject.metadata.?annotations[?k] != object.metadata.?annotations[?k])
{{- end }}

{{- define "cel.controller" -}}
{{ include "stackgate.controllerUser" . | toJson }}
{{- end }}

{{/* The user name as it stands after by=. */}}
{{- define "cel.me" -}}
request.userInfo.username.replace('%', '%25').replace(';', '%3B')
{{- end }}

{{/* Whoever runs garbage collection: by an account of its own, or all controllers of Kubernetes as one user. */}}
{{- define "cel.garbageCollectors" -}}
['system:serviceaccount:kube-system:generic-garbage-collector', 'system:kube-controller-manager']
{{- end }}

{{- define "cel.namespaceControllers" -}}
['system:serviceaccount:kube-system:namespace-controller', 'system:kube-controller-manager']
{{- end }}

{{/* A person is whoever is no program: no service account, no node, no part of Kubernetes, not the controller itself. */}}
{{- define "cel.isPerson" -}}
request.userInfo.username != {{ include "cel.controller" . }}
&& (request.userInfo.username == 'system:admin' || !request.userInfo.username.startsWith('system:'))
&& !request.userInfo.username.startsWith('git:')
&& !request.userInfo.?groups.orValue([]).exists(g, g in ['system:serviceaccounts', 'system:nodes', 'system:unauthenticated'])
{{- end }}

{{/*
The grammar of values. Printable: neither control nor format characters, no line or paragraph separators. An instant is
RFC 3339 with a day that exists, so that whoever reads it later can.
*/}}
{{- define "cel.by" -}}
by=[^;\pC\p{Zl}\p{Zp}]{1,256}
{{- end }}
{{- define "cel.reason" -}}
reason=[^;\pC\p{Zl}\p{Zp}]{1,200}
{{- end }}
{{- define "cel.until" -}}
until=(2[0-9]{3}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))|2[0-9]([2468][048]|[13579][26]|0[48])-02-29)T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])
{{- end }}
{{- define "cel.ack" -}}
ack=(replace|maybe-replace|delete|iam|network|opaque|adopt)(,(replace|maybe-replace|delete|iam|network|opaque|adopt)){0,6}
{{- end }}
{{- define "cel.decision" -}}
r'^[abc]1-[0-9a-f]{40}(;({{ include "cel.by" . }}|{{ include "cel.ack" . }}|{{ include "cel.until" . }}|{{ include "cel.reason" . }}))*$'
{{- end }}
{{- define "cel.report" -}}
r'^[bc]1-[0-9a-f]{40};result=(passed|failed)(;({{ include "cel.by" . }}|{{ include "cel.reason" . }}))*$'
{{- end }}

{{/* The classes of risk, in one order. */}}
{{- define "cel.classes" -}}
['replace', 'maybe-replace', 'delete', 'iam', 'network', 'opaque', 'adopt']
{{- end }}

{{/* What is taken away or overwritten: the variables, which need one of the annotations `before`, and the note of it in the audit log. */}}
{{- define "stackgate.taken" }}
  # Annotations of ours that vanish or change, for the audit log, which is cut at 10 KiB: of many each is cut, and none is left out.
  - name: taken
    expression: >-
      variables.before.filter(k, request.operation == 'UPDATE' && k.startsWith('gate.stackgate.dev/')
        && oldObject.metadata.?annotations[?k] != object.metadata.?annotations[?k])
  - name: noted
    expression: "variables.taken.size() == 0 || variables.taken.size() >= 160 ? 0 : 2560 / variables.taken.size() - 14"
{{- end }}
{{- define "stackgate.noteTaken" }}
  auditAnnotations:
  - key: taken
    valueExpression: >-
      variables.taken.map(k, k.substring(19) + '=' + (variables.before[k].size() <= variables.noted ? variables.before[k]
        : variables.before[k].substring(0, variables.noted) + '…')).join(' ')
{{- end }}

{{/* The head of a policy and, at once, its binding. */}}
{{- define "stackgate.policy" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels:
    {{- include "stackgate.labels" .top | nindent 4 }}
spec:
  policyName: {{ .name }}
  validationActions: [Deny, Audit]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ .name }}
  labels:
    {{- include "stackgate.labels" .top | nindent 4 }}
spec:
  failurePolicy: Fail
{{- end }}

{{/* A rule of decisions.stackgate.dev: when this holds, the user needs that verb. */}}
{{- define "stackgate.verb" }}
  - expression: >-
      !({{ .when }}) || (variables.kind == 'bootstraps'
        ? authorizer.group('stackgate.dev').resource('bootstraps')
        : authorizer.group('stackgate.dev').resource('stages').namespace(object.metadata.namespace)).name(variables.name).check('{{ .verb }}').allowed()
    messageExpression: "request.userInfo.username + ' lacks the verb {{ .verb }} on ' + variables.kind + '/' + variables.name"
    reason: Forbidden
{{- end }}
