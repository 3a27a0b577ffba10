{{- define "runbus.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* What tells the pods of one part: (dict "root" $ "part" "scheduler"). */ -}}
{{- define "runbus.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "runbus.labels" -}}
{{ include "runbus.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: runbus
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "runbus.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "runbus.natsUrl" -}}
{{- if .Values.nats.enabled -}}
nats://{{ include "runbus.fullname" . }}-nats:4222
{{- else -}}
{{ .Values.nats.url }}
{{- end -}}
{{- end -}}

{{- define "runbus.natsSecret" -}}
{{- if .Values.nats.auth.existingSecret -}}
{{ .Values.nats.auth.existingSecret }}
{{- else if .Values.nats.enabled -}}
{{ include "runbus.fullname" . }}-nats
{{- else -}}
{{- fail "nats.auth.existingSecret: name the Secret with the users' passwords, or say nats.auth.enabled: false" -}}
{{- end -}}
{{- end -}}

{{- define "runbus.natsMonitoring" -}}
{{- if .Values.nats.monitoring -}}
{{ .Values.nats.monitoring }}
{{- else if .Values.nats.enabled -}}
{{ include "runbus.fullname" . }}-nats.{{ .Release.Namespace }}.svc:8222
{{- else -}}
{{- fail "keda.enabled needs nats.monitoring: host:port of the server's monitoring" -}}
{{- end -}}
{{- end -}}

{{- /* Namespaces of runs, as a list; none: everywhere. */ -}}
{{- define "runbus.namespaces" -}}
{{- if .Values.clusterWide -}}
[]
{{- else -}}
{{- default (list .Release.Namespace) .Values.namespaces | toJson -}}
{{- end -}}
{{- end -}}

{{- /* A setting as the environment has it: lists with commas, whole numbers without an exponent. */ -}}
{{- define "runbus.setting" -}}
{{- if kindIs "slice" . -}}
{{- join "," . | quote -}}
{{- else if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- int64 . | quote -}}
{{- else -}}
{{- toString . | quote -}}
{{- end -}}
{{- end -}}

{{- define "runbus.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "runbus.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- /* Who a part is on the bus: (dict "root" $ "user" "scheduler"). */ -}}
{{- define "runbus.natsEnv" -}}
- name: RUNBUS_NATS_URL
  value: {{ include "runbus.natsUrl" .root | quote }}
{{- if .root.Values.nats.auth.enabled }}
- name: RUNBUS_NATS_USER
  value: {{ .user }}
- name: RUNBUS_NATS_PASSWORD_FILE
  value: /run/secrets/runbus/nats/password
{{- end }}
{{- with .root.Values.nats.tls }}
{{- if .existingSecret }}
- name: RUNBUS_NATS_CA_FILE
  value: /run/secrets/runbus/tls/ca.crt
{{- if .clientCertificate }}
- name: RUNBUS_NATS_CERT_FILE
  value: /run/secrets/runbus/tls/tls.crt
- name: RUNBUS_NATS_KEY_FILE
  value: /run/secrets/runbus/tls/tls.key
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "runbus.natsMount" -}}
{{- if .root.Values.nats.auth.enabled }}
- name: nats
  mountPath: /run/secrets/runbus/nats
  readOnly: true
{{- end }}
{{- if .root.Values.nats.tls.existingSecret }}
- name: nats-tls
  mountPath: /run/secrets/runbus/tls
  readOnly: true
{{- end }}
{{- end -}}

{{- /* Of the Secret, a pod gets its own key and no other. */ -}}
{{- define "runbus.natsVolume" -}}
{{- if .root.Values.nats.auth.enabled }}
- name: nats
  secret:
    secretName: {{ include "runbus.natsSecret" .root }}
    defaultMode: 0440
    items:
      - key: {{ .user }}
        path: password
{{- end }}
{{- with .root.Values.nats.tls }}
{{- if .existingSecret }}
{{- if $.root.Values.nats.enabled }}
{{- fail "nats.tls is for a bus of your own: that of this chart speaks no TLS" }}
{{- end }}
{{- if not (hasPrefix "tls://" $.root.Values.nats.url) }}
{{- fail "nats.tls.existingSecret needs an address that begins with tls:// (nats.url)" }}
{{- end }}
- name: nats-tls
  secret:
    secretName: {{ .existingSecret }}
    defaultMode: 0440
    items:
      - { key: ca.crt, path: ca.crt }
      {{- if .clientCertificate }}
      - { key: tls.crt, path: tls.crt }
      - { key: tls.key, path: tls.key }
      {{- end }}
{{- else if .clientCertificate }}
{{- fail "nats.tls.clientCertificate needs nats.tls.existingSecret, with tls.crt and tls.key" }}
{{- end }}
{{- end }}
{{- end -}}
