{{/* Names of pods get a number and a hash behind them, so this one stays short. */}}
{{- define "stillhouse.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $full | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "stillhouse.coordinator" -}}{{ include "stillhouse.fullname" . }}-coordinator{{- end -}}

{{- define "stillhouse.selector" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "stillhouse.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "stillhouse.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: stillhouse
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* image: (dict "context" $ "own" .Values.workers.image) */}}
{{- define "stillhouse.image" -}}
{{- $image := .context.Values.image -}}
{{- $own := .own | default dict -}}
{{- if and $image.digest $own.tag (empty $own.repository) -}}
{{- fail (printf "image: a tag of its own (%s) given beside image.digest, which names one image; a repository with it was wanted" $own.tag) -}}
{{- end -}}
{{- $repository := $own.repository | default $image.repository -}}
{{- $tag := $own.tag | default $image.tag | default .context.Chart.AppVersion -}}
{{- $digest := ternary $own.digest $image.digest (not (empty $own.repository)) -}}
{{- with $image.registry }}{{ . }}/{{ end }}{{ $repository }}{{ if $digest }}@{{ $digest }}{{ else }}:{{ $tag }}{{ end }}
{{- end -}}

{{- define "stillhouse.tokenSecret" -}}
{{- .Values.token.existingSecret | default (printf "%s-token" (include "stillhouse.fullname" .)) -}}
{{- end -}}

{{- define "stillhouse.claim" -}}
{{- .Values.coordinator.persistence.existingClaim | default (printf "%s-run" (include "stillhouse.fullname" .)) -}}
{{- end -}}

{{- define "stillhouse.url" -}}
{{ ternary "wss" "ws" .Values.tls.enabled }}://{{ include "stillhouse.coordinator" . }}:{{ .Values.coordinator.port }}
{{- end -}}

{{- define "stillhouse.mutual" -}}
{{- if and .Values.tls.enabled .Values.tls.clientSecret }}true{{ end -}}
{{- end -}}
