#!/usr/bin/env bash
# Runs TensorFlow Serving with this project's flags, which are set only here; arguments add further flags.
#
# The script stays process 1 and forwards the stop signal. Process 1 has no default action for SIGTERM, and TensorFlow
# Serving does not handle it (tensorflow/serving issue 1853): started with `exec`, or by the image's own script, it would
# only be killed at the end of the container's grace period.
#
#   CPUS            TensorFlow's threads. It sees the host's cores, not the container's limit: set it to that limit.
#   DRAIN_SECONDS   how long to keep serving after a stop signal: requests in flight finish, new ones go elsewhere.
#   MODELS_CONFIG   file with the models to serve.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
cpus=${CPUS:-$(nproc)}

flags=(
    --port=8500
    --rest_api_port=8501
    --rest_api_timeout_in_ms=30000
    # A request waits in its thread while its batch is gathered; the default is four times the host's cores.
    --rest_api_num_threads=64
    --grpc_max_threads=64
    --enable_grpc_healthcheck_service=true
    # On by default, it lets anyone who can reach the gRPC port make the server record and write traces.
    --enable_profiler=false

    --model_config_file="${MODELS_CONFIG:-$here/models.config}"
    --model_config_file_poll_wait_seconds=60
    # No version is loaded at startup: without this flag every label would be refused, and the server would not start.
    --allow_version_labels_for_unavailable_models=true
    # A broken version stays broken: by default it is tried six times, a minute apart.
    --max_num_load_retries=0

    --monitoring_config_file="$here/monitoring.config"
    --tensorflow_intra_op_parallelism="$cpus"
    --tensorflow_inter_op_parallelism="$cpus"
)
if [[ ${BATCHING:-on} == on ]]; then
    flags+=(--enable_batching=true --batching_parameters_file="$here/batching.config")
fi

stopping=no
# shellcheck disable=SC2329  # called by trap
stop() {
    stopping=yes
    sleep "${DRAIN_SECONDS:-1}"
    kill -TERM "$server" 2>/dev/null || true
}
tensorflow_model_server "${flags[@]}" "$@" &
server=$!
trap stop TERM INT

code=0
wait "$server" || code=$?
if [[ $stopping == yes ]]; then
    wait "$server" || true  # the first wait ended with the signal, not with the server
    exit 0
fi
exit "$code"
