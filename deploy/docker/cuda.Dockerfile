# The image for workers on NVIDIA's GPUs: the one of Dockerfile, with ONNX Runtime's CUDA provider and CUDA's libraries
# (2.3 GB). Of the machine it needs the driver, which the container runtime brings in (--gpus, or a runtime class).
#
#   docker build -f deploy/docker/Dockerfile -t stillhouse .
#   docker build -f deploy/docker/cuda.Dockerfile -t stillhouse-cuda .
#   docker run --rm --gpus all stillhouse-cuda doctor
#
# STILLHOUSE is the image of Dockerfile; BASE, which only fetches, any Debian or Ubuntu with node.
ARG STILLHOUSE=stillhouse
ARG BASE=node:20-bookworm-slim

FROM ${STILLHOUSE} AS stillhouse

FROM ${BASE} AS cuda
RUN apt-get update && apt-get install -y --no-install-recommends python3-pip ca-certificates
# Another index of Python packages than pip's own.
ARG PIP_INDEX_URL=
COPY --from=stillhouse /opt/stillhouse /opt/stillhouse
ENV STILLHOUSE_CACHE=/tmp/cache STILLHOUSE_BACKENDS=/opt/stillhouse-backends
RUN if [ -z "$PIP_INDEX_URL" ]; then unset PIP_INDEX_URL; fi \
 && node /opt/stillhouse/dist/cli.js backend install cuda --only onnx
# Whoever installs has them alone; here another user works with them.
RUN chmod -R a+rX /opt/stillhouse-backends

FROM stillhouse
LABEL org.opencontainers.image.description="GPU worker of distributed knowledge distillation"
COPY --from=cuda /opt/stillhouse-backends /opt/stillhouse-backends
ENV STILLHOUSE_BACKENDS=/opt/stillhouse-backends NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
