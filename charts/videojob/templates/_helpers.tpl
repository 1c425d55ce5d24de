{{- define "videojob.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* At most 40 characters, so that every suffix still fits into a DNS label, and a Service's name at that. */}}
{{- define "videojob.fullname" -}}
{{- $release := .Release.Name | replace "." "-" -}}
{{- $name := printf "%s-%s" $release (include "videojob.name" .) -}}
{{- if .Values.fullnameOverride -}}
{{- $name = .Values.fullnameOverride -}}
{{- else if contains (include "videojob.name" .) $release -}}
{{- $name = $release -}}
{{- end -}}
{{- if regexMatch "^[0-9]" $name -}}
{{- fail (printf "%s: a Service's name begins with a letter; set fullnameOverride" $name) -}}
{{- end -}}
{{ $name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "videojob.selectorLabels" -}}
app.kubernetes.io/name: {{ include "videojob.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "videojob.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "videojob.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "videojob.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "videojob.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{/* Takes {image, chart}. */}}
{{- define "videojob.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ default .chart.AppVersion .image.tag }}
{{- end -}}
{{- end }}

{{/* An image of the workers with more in it. Takes {flavour, name, image, chart}. */}}
{{- define "videojob.flavourImage" -}}
{{- $repository := default .image.repository .flavour.repository -}}
{{- if .flavour.digest -}}
{{ $repository }}@{{ .flavour.digest }}
{{- else -}}
{{ $repository }}:{{ default (printf "%s-%s" (default .chart.AppVersion .image.tag) .name) .flavour.tag }}
{{- end -}}
{{- end }}

{{/* [{name: a}, {name: b}] → a,b */}}
{{- define "videojob.names" -}}
{{- range $index, $each := . }}{{ if $index }},{{ end }}{{ $each.name }}{{ end }}
{{- end }}

{{/* worker.podDefaults as JSON, without what is empty. */}}
{{- define "videojob.podDefaults" -}}
{{- $set := dict }}
{{- range $key, $value := .Values.worker.podDefaults }}
{{- if $value }}{{ $_ := set $set $key $value }}{{ end }}
{{- end -}}
{{ toJson $set }}
{{- end }}

{{/* The two halves of the Pod Security Standard "restricted". */}}
{{- define "videojob.podSecurityContext" -}}
runAsNonRoot: true
{{- with .Values.runAsUser }}
runAsUser: {{ int64 . }}
runAsGroup: {{ int64 . }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "videojob.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Where `helm test` works. */}}
{{- define "videojob.testNamespace" -}}
{{ default .Release.Namespace (coalesce .Values.test.namespace (first (default list .Values.watchNamespaces))) }}
{{- end }}
