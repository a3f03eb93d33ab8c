"""
# Table 2 on a free hosted GPU

The CIFAR cells of Table 2, the paper's main effect, at full width on one GPU: **never run here**, except as a plan.
When you run them, please share the files in `results/gpu/`.

The table has cosine logits at S = 1, fixed against learned class vectors. Its CIFAR cells are made for one GPU of a
free hosted notebook: full width, 30 epochs, the recipe `honest` with the same hyperparameters in both arms. The plan
runs cell by cell, skips what has a result, and continues a run that was cut off from its last checkpoint. Choose a GPU
in the notebook's settings first.

## Install

In a notebook: `!git clone REPOSITORY && cd keras_fixhead && pip install . 'jax[cuda12]'`, with the address that you
have the code from. The runs below use JAX, which compiles a step once for all seeds.
"""

import os
import subprocess
import sys

smoke = "TUTORIAL_SMOKE" in os.environ  # the plan only, as in the tests
os.environ.setdefault("KERAS_BACKEND", "jax")


def fixhead(*words):
    subprocess.run([sys.executable, "-m", "fixhead_cli", *words], check=True)


"""
## The plan

It says what is done, what is left, and how long that takes.
"""

fixhead("reproduce", "table2", "--recipe", "honest", "--dry-run")

"""
## The runs

CIFAR-10 and CIFAR-100 come from TensorFlow Datasets on first use. Repeat this cell until nothing is left; keep `runs`
and `results` on a disk that outlives the session.
"""

if not smoke:
    fixhead("doctor")
    fixhead("reproduce", "table2", "--recipe", "honest", "--minutes", "300")

"""
## The result

Each cell next to the paper's, with differences, intervals and n, and a page of all claims.
"""

if not smoke:
    fixhead("report", "results", "--out", "report")

"""
[Running the paper's cells](../reproduction.md) has more: other tables, machines without a network, short sessions.
"""
