#!/bin/bash
# Builds helm, kubeconform and the programs of a Kubernetes cluster from the Go modules that go.mod pins, and prints the folder that they lie in.
#
#   test/kubernetes/cluster/build.sh [PROGRAM...]        # default: all
#
# They stay in STILLHOUSE_KUBERNETES_CACHE (else stillhouse-kubernetes in XDG_CACHE_HOME or ~/.cache), in a folder for each
# content of go.mod and version of Go: what is there is not built again.
set -euo pipefail
cd "$(dirname "$0")"
cache=${STILLHOUSE_KUBERNETES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/stillhouse-kubernetes}
version=$(cat go.mod go.sum tools.go <(go env GOVERSION GOARCH) | sha256sum | cut -c -16)
folder=$cache/$version
release=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${release#v1.}
minor=${minor%%.*}
flags="-s -w -X k8s.io/component-base/version.gitVersion=$release -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=$minor"
for package in chartutil lint/rules; do   # what helm takes a cluster to be where it has none
  flags+=" -X helm.sh/helm/v3/pkg/$package.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/$package.k8sVersionMinor=$minor"
done
mkdir -p "$folder"
wanted=("$@")
[ "$#" -gt 0 ] || wanted=(helm kubeconform kube-apiserver kubectl kube-controller-manager kube-scheduler kube-proxy kubelet pause)
missing=()
for name in "${wanted[@]}"; do
  [ -x "$folder/$name" ] && continue
  case $name in
    pause) missing+=(./pause) ;;
    helm) missing+=(helm.sh/helm/v3/cmd/helm) ;;
    kubeconform) missing+=(github.com/yannh/kubeconform/cmd/kubeconform) ;;
    *) missing+=("k8s.io/kubernetes/cmd/$name") ;;
  esac
done
if [ "${#missing[@]}" -gt 0 ]; then
  built=$(mktemp -d "$folder/building-XXXXXX")
  trap 'rm -rf "$built"' EXIT
  CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "$flags" -o "$built/" "${missing[@]}" >&2
  mv -f "$built"/* "$folder/"
fi
echo "$folder"
