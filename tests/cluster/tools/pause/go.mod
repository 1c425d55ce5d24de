// The process that holds a pod's namespaces open; no dependencies.
module videojob.dev/tools/pause

go 1.24.0
