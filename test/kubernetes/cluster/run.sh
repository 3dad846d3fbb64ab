#!/bin/bash
# Runs the tests on a cluster of one node, as root, with an image of deploy/docker/Dockerfile that the Docker daemon has:
#
#   test/kubernetes/cluster/run.sh stillhouse
#
# It needs Debian's packages etcd-server, containerd, runc, containernetworking-plugins and iptables, and network namespaces.
set -euo pipefail
cd "$(dirname "$0")"
image=${1:?an image was wanted: run.sh IMAGE}
programs=$(./build.sh)
images=$(mktemp -d)
trap 'rm -rf "$images"' EXIT
tar -C "$programs" -c pause | docker import --change 'ENTRYPOINT ["/pause"]' --change 'USER 65535:65535' - stillhouse-pause:test >/dev/null
docker tag "$image" stillhouse:test
docker save -o "$images/pause.tar" stillhouse-pause:test
docker save -o "$images/stillhouse.tar" stillhouse:test
cd ../../..
STILLHOUSE_KUBERNETES_PROGRAMS=$programs STILLHOUSE_TEST_IMAGES=$images/stillhouse.tar,$images/pause.tar \
  npx vitest run test/kubernetes/cluster.test.ts --testTimeout 900000
