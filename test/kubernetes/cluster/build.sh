#!/bin/bash
# Builds helm, kubeconform and the programs of a Kubernetes cluster from the Go modules that go.mod pins, puts the definitions
# of JobSet, Kueue, the Prometheus operator and Kubeflow Trainer beside them, and prints the folder that they lie in.
#
#   test/kubernetes/cluster/build.sh [PROGRAM...]        # default: all; `definitions` is one
#
# They stay in STILLHOUSE_KUBERNETES_CACHE (else stillhouse-kubernetes in XDG_CACHE_HOME or ~/.cache), in a folder for each
# content of the modules and version of Go: what is there is not built again.
set -euo pipefail
cd "$(dirname "$0")"
cache=${STILLHOUSE_KUBERNETES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/stillhouse-kubernetes}
version=$(cat go.mod go.sum tools.go build.sh ../definitions/go.mod <(go env GOVERSION GOARCH) | sha256sum | cut -c -16)
folder=$cache/$version
release=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${release#v1.}
minor=${minor%%.*}
flags="-s -w -X k8s.io/component-base/version.gitVersion=$release -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=$minor"
for package in chartutil lint/rules; do   # what helm takes a cluster to be where it has none
  flags+=" -X helm.sh/helm/v3/pkg/$package.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/$package.k8sVersionMinor=$minor"
done
mkdir -p "$folder"

# module FOLDER NAME: where the files of a module lie, in the version of the go.mod in FOLDER.
module() { (cd "$1" && go mod download "$2" >&2 && go list -m -f '{{.Dir}}' "$2"); }

# definitions: the files of the four projects, as their modules have them.
definitions() {
  local jobset kueue operator trainer
  jobset=$(module . sigs.k8s.io/jobset)
  kueue=$(module ../definitions sigs.k8s.io/kueue)
  operator=$(module ../definitions github.com/prometheus-operator/prometheus-operator)
  trainer=$(module ../definitions github.com/kubeflow/trainer/v2)
  mkdir "$built/definitions"
  cp "$jobset/config/components/crd/bases/jobset.x-k8s.io_jobsets.yaml" \
    "$kueue"/config/components/crd/bases/kueue.x-k8s.io_{clusterqueues,localqueues,resourceflavors}.yaml \
    "$operator/example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml" \
    "$trainer/manifests/base/crds/trainer.kubeflow.org_clustertrainingruntimes.yaml" \
    "$trainer/manifests/base/crds/trainer.kubeflow.org_trainjobs.yaml" "$built/definitions/"
  cp "$jobset/config/components/webhook/manifests.yaml" "$built/definitions/jobset-webhooks"
  cp "$kueue/pkg/controller/constants/constants.go" "$built/definitions/kueue-constants"
  chmod -R u+w "$built/definitions"
}

wanted=("$@")
[ "$#" -gt 0 ] || wanted=(definitions helm kubeconform kube-apiserver kubectl kube-controller-manager kube-scheduler kube-proxy kubelet jobset pause)
missing=()
built=$(mktemp -d "$folder/building-XXXXXX")
trap 'rm -rf "$built"' EXIT
for name in "${wanted[@]}"; do
  [ -x "$folder/$name" ] && continue
  case $name in
    definitions) definitions ;;
    pause) missing+=(./pause) ;;
    helm) missing+=(helm.sh/helm/v3/cmd/helm) ;;
    kubeconform) missing+=(github.com/yannh/kubeconform/cmd/kubeconform) ;;
    jobset) missing+=(sigs.k8s.io/jobset) ;;
    *) missing+=("k8s.io/kubernetes/cmd/$name") ;;
  esac
done
# Without inlining a build takes a quarter less of the processors' time.
[ "${#missing[@]}" -eq 0 ] || CGO_ENABLED=0 go build -mod=readonly -trimpath -gcflags=all=-l -ldflags "$flags" -o "$built/" "${missing[@]}" >&2
for made in "$built"/*; do [ -e "$made" ] && mv -fT "$made" "$folder/${made##*/}"; done
echo "$folder"
