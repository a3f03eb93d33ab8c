#!/usr/bin/env bash
# Checks TensorFlow Serving: the protocol by the conformance suite, the answers by parity with the run in this process.
# Both are run, whatever the first one says. Exits 1 if either finds a difference.
set -uo pipefail

code=0
python -m fixhead_serving.conformance http://conformance-server:8501 || code=1
python -m fixhead_serving.parity /check/run http://model-server:8501/v1/models/classifier || code=1
exit "$code"
