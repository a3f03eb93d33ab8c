#!/usr/bin/env bash
# Creates the models that the check profile serves in the current folder, which is the volume: the tiny model of the
# conformance suite, and a run on scikit-learn's digits, exported as version 1 of `classifier` and linked as `run`.
set -euo pipefail

if [[ -e classifier || -e conformance ]]; then
    echo "This folder contains the models of an earlier check. bash check.bash removes them first." >&2
    exit 1
fi
fixhead check conformance --make-models .
run=$(fixhead train --dataset digits --recipe smoke --runs-dir runs --quiet --json |
      python -c 'import json, sys; print(json.load(sys.stdin)["run"])')
ln -s "$run" run
fixhead export "$run" classifier
