{{- /* To the bus, and to names. */ -}}
{{- define "runbus.egress" -}}
{{ include "runbus.egressToNames" . }}
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

{{- define "runbus.egressToNames" -}}
- ports:
    {{- range .Values.networkPolicy.dnsPorts }}
    - port: {{ . }}
      protocol: UDP
    - port: {{ . }}
      protocol: TCP
    {{- end }}
{{- end -}}
