{{/*
The specs of the two Jobs, which a JobSet takes, too. What the exit codes mean is docs/operations.md.

- 75: stopped in good order. The pod is replaced, and it does not count as a failure; nor does an eviction.
- 2, 65, 77: recipe, data or token are wrong, which no new pod can mend, so the Job fails at once.
- All others (1, 69, 79, signals): another pod may do better, on another node, a limited number of times.
*/}}
{{- define "stillhouse.failurePolicy" -}}
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions: [{ type: DisruptionTarget, status: "True" }]
    - action: Ignore
      onExitCodes: { containerName: {{ . }}, operator: In, values: [75] }
    - action: FailJob
      onExitCodes: { containerName: {{ . }}, operator: In, values: [2, 65, 77] }
{{- end -}}

{{/*
A Job and not a StatefulSet: a run ends. A coordinator that is killed between its results and its end is started again, finds
the run finished, tells its workers so, and succeeds.
*/}}
{{- define "stillhouse.coordinatorJobSpec" -}}
completions: 1
parallelism: 1
backoffLimit: {{ int .Values.coordinator.backoffLimit }}
# The next coordinator starts when the one before has ended, which writes its snapshot until then.
podReplacementPolicy: Failed
{{- if not .Values.jobSet.enabled }}
suspend: {{ .Values.suspend }}
{{- end }}
{{ include "stillhouse.failurePolicy" "coordinator" }}
template:
  metadata:
    {{- include "stillhouse.podMetadata" (dict "context" . "own" .Values.coordinator "component" "coordinator") | nindent 4 }}
  spec:
    restartPolicy: Never
    {{- include "stillhouse.coordinatorPodSpec" . | nindent 4 }}
{{- end -}}

{{- define "stillhouse.workersJobSpec" -}}
completionMode: Indexed
completions: {{ int .Values.workers.replicas }}
parallelism: {{ int .Values.workers.replicas }}
# One worker that fails for good leaves the others at work.
backoffLimitPerIndex: {{ int .Values.workers.backoffLimitPerIndex }}
podReplacementPolicy: Failed
{{- if not .Values.jobSet.enabled }}
suspend: {{ .Values.suspend }}
{{- end }}
{{ include "stillhouse.failurePolicy" "worker" }}
template:
  metadata:
    {{- include "stillhouse.podMetadata" (dict "context" . "own" .Values.workers "component" "worker") | nindent 4 }}
  spec:
    restartPolicy: Never
    {{- include "stillhouse.workerPodSpec" (dict "context" . "own" .Values.workers "role" "train") | nindent 4 }}
{{- end -}}
