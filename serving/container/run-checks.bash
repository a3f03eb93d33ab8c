#!/usr/bin/env bash
# Checks TensorFlow Serving: the protocol with the conformance suite, and the answers by parity with `run`, which
# make-models.bash left in the current folder. Always runs both. The suite's report is written to conformance.json.
# Exits 1 if either finds a difference.
set -uo pipefail

code=0
fixhead check conformance "$CONFORMANCE_URL" --server-name "$SERVER_NAME" --report conformance.json || code=1
fixhead check parity run "$MODEL_URL" || code=1
exit "$code"
