{{- /* To the bus, and to names. */ -}}
{{- define "runbus.egress" -}}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- if .Values.nats.enabled }}
- ports:
    - port: 4222
  to:
    - podSelector:
        matchLabels:
          {{- include "runbus.selector" (dict "root" . "part" "nats") | nindent 10 }}
{{- else }}
- ports:
    {{- range .Values.networkPolicy.natsPorts }}
    - port: {{ . }}
    {{- end }}
{{- end }}
{{- end -}}
