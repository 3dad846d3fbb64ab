{{/* What the pods of every component share: (dict "context" $ "own" .Values.workers). */}}
{{- define "stillhouse.podSpec" -}}
{{- $values := .context.Values -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $values.serviceAccount.name }}
serviceAccountName: {{ . }}
{{- end }}
{{- with $values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- toYaml $values.podSecurityContext | nindent 2 }}
terminationGracePeriodSeconds: {{ .own.terminationGracePeriodSeconds }}
{{- range $key := list "runtimeClassName" "priorityClassName" "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" }}
{{- with get $.own $key }}
{{ $key }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Without versions: what is said of the pods of a Job cannot be changed by an upgrade. */}}
{{- define "stillhouse.podMetadata" -}}
labels:
  {{- include "stillhouse.selector" .context | nindent 2 }}
  app.kubernetes.io/component: {{ .component }}
{{- with .own.annotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "stillhouse.resources" -}}
{{- $limits := .resources.limits | default dict -}}
{{- $gpu := .gpu | default dict -}}
{{- if $gpu.resource }}{{- $limits = merge (dict $gpu.resource (int $gpu.count)) $limits }}{{- end -}}
requests: {{- toYaml (.resources.requests | default dict) | nindent 2 }}
limits: {{- toYaml $limits | nindent 2 }}
{{- end -}}

{{/* For those who ask teachers on model servers: who prepares the run, and label workers. */}}
{{- define "stillhouse.teacherTokens" -}}
- { name: STILLHOUSE_TEACHER_TOKENS, valueFrom: { secretKeyRef: { name: {{ . | quote }}, key: tokens } } }
{{- end -}}

{{/* The container of a worker: (dict "context" $ "own" .Values.workers "role" "train"). */}}
{{- define "stillhouse.workerPodSpec" -}}
{{- $root := .context -}}
{{- $own := .own -}}
{{ include "stillhouse.podSpec" (dict "context" $root "own" $own) }}
containers:
  - name: worker
    image: {{ include "stillhouse.image" (dict "context" $root "own" ($own.image | default $root.Values.workers.image)) }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args:
      - worker
      - {{ include "stillhouse.url" $root | quote }}
      - --token-file=/run/secrets/stillhouse/token
      - --wait={{ int $own.waitSeconds }}
      {{- if ne .role "train" }}
      - --role={{ .role }}
      {{- end }}
      {{- if $own.gpu.resource }}
      - --gpu
      {{- end }}
      {{- range $own.args }}
      - {{ . | quote }}
      {{- end }}
    {{- $mutual := include "stillhouse.mutual" $root }}
    {{- $teachers := ternary "" $root.Values.modelServers.tokensSecret (eq .role "train") }}
    {{- if or $root.Values.tls.enabled $own.gpu.resource $own.env $teachers }}
    env:
      {{- with $teachers }}
      {{- include "stillhouse.teacherTokens" . | nindent 6 }}
      {{- end }}
      {{- if $root.Values.tls.enabled }}
      - { name: STILLHOUSE_TLS_CA, value: /run/secrets/stillhouse/ca.pem }
      {{- end }}
      {{- if $mutual }}
      - { name: STILLHOUSE_TLS_CERT, value: /run/secrets/stillhouse/client.pem }
      - { name: STILLHOUSE_TLS_KEY, value: /run/secrets/stillhouse/client.key }
      {{- end }}
      {{- if $own.gpu.resource }}
      # Kernels that the driver compiles are kept, so that the next pod need not wait for them where the cache outlives it.
      - { name: CUDA_CACHE_PATH, value: /var/cache/stillhouse/cuda }
      - { name: CUDA_CACHE_MAXSIZE, value: "4294967296" }
      {{- end }}
      {{- with $own.env }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
    # A worker has no probes: the coordinator finds out by its heartbeats when it is stuck or cut off, and has its work done elsewhere.
    securityContext: {{- toYaml $root.Values.securityContext | nindent 6 }}
    resources: {{- include "stillhouse.resources" (dict "resources" $own.resources "gpu" $own.gpu) | nindent 6 }}
    volumeMounts:
      - { name: cache, mountPath: /var/cache/stillhouse }
      - { name: tmp, mountPath: /tmp }
      - { name: secrets, mountPath: /run/secrets/stillhouse, readOnly: true }
volumes:
  - name: cache
    {{- toYaml ($own.cache | default (dict "emptyDir" dict)) | nindent 4 }}
  - name: tmp
    emptyDir: {}
  - name: secrets
    projected:
      defaultMode: 0440
      sources:
        - secret:
            name: {{ include "stillhouse.tokenSecret" $root | quote }}
            items: [{ key: {{ ternary "worker" "label" (eq .role "train") }}, path: token }]
        {{- if $mutual }}
        - secret:
            name: {{ $root.Values.tls.clientSecret | quote }}
            items: [{ key: ca.pem, path: ca.pem }, { key: client.pem, path: client.pem }, { key: client.key, path: client.key }]
        {{- else if $root.Values.tls.enabled }}
        - secret:
            name: {{ $root.Values.tls.serverSecret | quote }}
            items: [{ key: ca.pem, path: ca.pem }]
        {{- end }}
{{- end -}}

{{- define "stillhouse.coordinatorPodSpec" -}}
{{- $own := .Values.coordinator -}}
{{- $mutual := include "stillhouse.mutual" . -}}
{{ include "stillhouse.podSpec" (dict "context" . "own" $own) }}
containers:
  - name: coordinator
    image: {{ include "stillhouse.image" (dict "context" .) }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args:
      - coordinator
      - {{ printf "/recipe/%s" .Values.recipe.file | quote }}
      - --listen
      - {{ printf "0.0.0.0:%d" (int $own.port) | quote }}
      - --token-file=/run/secrets/stillhouse/tokens
      - --out=/work/run
      {{- if $own.expect }}
      - --expect={{ int $own.expect }}
      {{- end }}
      {{- range $own.args }}
      - {{ . | quote }}
      {{- end }}
    {{- if or .Values.tls.enabled $own.env .Values.modelServers.tokensSecret }}
    env:
      {{- with .Values.modelServers.tokensSecret }}
      {{- include "stillhouse.teacherTokens" . | nindent 6 }}
      {{- end }}
      {{- if .Values.tls.enabled }}
      - { name: STILLHOUSE_TLS_CERT, value: /run/secrets/stillhouse/server.pem }
      - { name: STILLHOUSE_TLS_KEY, value: /run/secrets/stillhouse/server.key }
      {{- end }}
      {{- if $mutual }}
      - { name: STILLHOUSE_TLS_CLIENT_CA, value: /run/secrets/stillhouse/ca.pem }
      {{- end }}
      {{- with $own.env }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
    ports:
      - { name: stillhouse, containerPort: {{ int $own.port }} }
    startupProbe:
      {{- include "stillhouse.probe" (dict "context" . "path" "/livez") | nindent 6 }}
      periodSeconds: 5
      timeoutSeconds: 5
      failureThreshold: {{ max 1 (div (int $own.startupSeconds) 5) }}
    livenessProbe:
      {{- include "stillhouse.probe" (dict "context" . "path" "/livez") | nindent 6 }}
      periodSeconds: 20
      timeoutSeconds: 10
      failureThreshold: 6
    readinessProbe:
      {{- include "stillhouse.probe" (dict "context" . "path" "/readyz") | nindent 6 }}
      periodSeconds: 5
      timeoutSeconds: 5
    securityContext: {{- toYaml .Values.securityContext | nindent 6 }}
    resources: {{- include "stillhouse.resources" (dict "resources" $own.resources) | nindent 6 }}
    volumeMounts:
      - { name: run, mountPath: /work, subPath: work }
      - { name: run, mountPath: /var/cache/stillhouse, subPath: cache }
      - { name: recipe, mountPath: /recipe, readOnly: true }
      - { name: tmp, mountPath: /tmp }
      - { name: secrets, mountPath: /run/secrets/stillhouse, readOnly: true }
volumes:
  - name: run
    persistentVolumeClaim: { claimName: {{ include "stillhouse.claim" . | quote }} }
  - name: recipe
    {{- if .Values.recipe.existingClaim }}
    persistentVolumeClaim: { claimName: {{ .Values.recipe.existingClaim | quote }}, readOnly: true }
    {{- else }}
    configMap: { name: {{ .Values.recipe.existingConfigMap | default (printf "%s-recipe" (include "stillhouse.fullname" .)) | quote }} }
    {{- end }}
  - name: tmp
    emptyDir: {}
  - name: secrets
    projected:
      defaultMode: 0440
      sources:
        - secret:
            name: {{ include "stillhouse.tokenSecret" . | quote }}
            items: [{ key: tokens, path: tokens }, { key: admin, path: admin }]
        {{- if .Values.tls.enabled }}
        - secret:
            name: {{ .Values.tls.serverSecret | quote }}
            items: [{ key: ca.pem, path: ca.pem }, { key: server.pem, path: server.pem }, { key: server.key, path: server.key }]
        {{- end }}
{{- end -}}

{{/* A coordinator that demands certificates has none to show to a probe of the node, so the image's own check asks it. */}}
{{- define "stillhouse.probe" -}}
{{- if include "stillhouse.mutual" .context -}}
exec: { command: [node, /opt/stillhouse/health.mjs] }
{{- else -}}
httpGet: { path: {{ .path }}, port: stillhouse{{ if .context.Values.tls.enabled }}, scheme: HTTPS{{ end }} }
{{- end }}
{{- end -}}
