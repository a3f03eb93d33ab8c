#!/usr/bin/env bash
# Checks TensorFlow Serving: the protocol by the conformance suite, the answers by parity with `run`, which is in the
# current folder as make-models.bash left it. Both are run, whatever the first one says. The suite's report becomes
# conformance.json. Exits 1 if either finds a difference.
set -uo pipefail

code=0
fixhead check conformance "$CONFORMANCE_URL" --server-name "$SERVER_NAME" --report conformance.json || code=1
fixhead check parity run "$MODEL_URL" || code=1
exit "$code"
