#!/bin/bash
# Runs the tests of the chart, on an API server and on a cluster of one node, as root, with an image of deploy/docker/Dockerfile
# that the Docker daemon has:
#
#   test/kubernetes/cluster/run.sh stillhouse [TEST...]      # default: all of test/kubernetes
#
# It needs Debian's packages etcd-server, containerd, runc, containernetworking-plugins and iptables, and network namespaces.
set -euo pipefail
cd "$(dirname "$0")"
image=${1:?an image was wanted: run.sh IMAGE}
shift
programs=$(./build.sh)
images=$(mktemp -d)
trap 'rm -rf "$images"' EXIT
tar -C "$programs" -c pause | docker import --change 'ENTRYPOINT ["/pause"]' --change 'USER 65535:65535' - stillhouse-pause:test >/dev/null
docker tag "$image" stillhouse:test
docker save -o "$images/images.tar" stillhouse-pause:test stillhouse:test
cd ../../..
STILLHOUSE_KUBERNETES_PROGRAMS=$programs STILLHOUSE_TEST_IMAGES=$images/images.tar \
  npx vitest run "${@:-test/kubernetes}" --testTimeout 900000
