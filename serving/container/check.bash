#!/usr/bin/env bash
# Checks the real TensorFlow Serving on a machine with Docker: the conformance suite, the parity of answers, and that an
# image with the model in it starts, becomes healthy, and stops when told to. Exits non-zero on any difference.
#
#   bash check.bash [REPORT]     the conformance suite's report goes to REPORT, a JSON file
set -euo pipefail
report=${1:+$(realpath "$1")}
cd "$(dirname "$(readlink -f "$0")")"
scratch=$(mktemp -d)
baked=fixhead-classifier:check
# a separate project, so that a server started from the same folder is left alone
compose=(docker compose --project-name fixhead-check --profile check)

clean_up() {
    local code=$?
    if [[ $code != 0 ]]; then
        "${compose[@]}" logs --tail 200 || true
        docker logs fixhead-baked || true
    fi
    docker rm --force fixhead-baked || true
    "${compose[@]}" down --volumes || true
    rm -rf "$scratch"
    exit "$code"
}
trap clean_up EXIT

echo "== conformance and parity"
"${compose[@]}" down --volumes
"${compose[@]}" build
code=0
"${compose[@]}" run --rm --no-TTY check || code=$?
if [[ -n $report ]]; then
    "${compose[@]}" cp model-server:/models/conformance.json "$report"
fi
[[ $code == 0 ]]

echo "== a baked image: starts, becomes healthy, stops"
install --directory --mode 755 "$scratch/models"
"${compose[@]}" cp model-server:/models/classifier "$scratch/models/classifier"
docker build --build-context models="$scratch/models" --tag "$baked" .
docker run --detach --name fixhead-baked --read-only --tmpfs /tmp --cap-drop ALL \
    --security-opt no-new-privileges "$baked"
state=starting
for (( second = 0; second < ${HEALTHY_WITHIN:-60}; second++ )); do
    state=$(docker inspect --format '{{.State.Health.Status}}' fixhead-baked)
    [[ $state == healthy ]] && break
    sleep 1
done
echo "after $second s: $state"
[[ $state == healthy ]]
# 0: it stopped on its own; 137: it was killed
docker stop -t 5 fixhead-baked
code=$(docker inspect --format '{{.State.ExitCode}}' fixhead-baked)
echo "exit code of the stopped server: $code"
[[ $code == 0 ]]
echo "== everything that was checked has passed"
