"""Hints about plans of many runs and comparing them: each is printed, and leads out."""
import re
import shlex

import pytest
from hints import check_way_out, follow, leads_out, refused

from keras_fixhead.errors import ArgumentError
from keras_fixhead.experiments.compare import compare_results
from keras_fixhead.experiments.plan import plan_runs
from keras_fixhead.runs.result import read_result

SWEEP = "sweep --dataset digits --recipe smoke --dry-run --runs-dir DIR"
# options that fail, the hint, and options that work
PLANS = [
    ("--grid head", "--grid head=dot,cos", "--grid head=dot,cos"),
    ("--grid lr=0.1 --grid lr=0.2", "Give it once: --grid lr=A,B", "--grid lr=0.1,0.2"),
    ("--seeds x", "--seeds 0-2", "--seeds 0-2"),
    ("--grid seed=0,1", "Set seeds with --seeds.", "--seeds 0,1"),
    ("--grid lr=0.1,0.2 --lr 0.1", "Give it once.", "--grid lr=0.1,0.2"),
    ("--grid lr=0.1,0.1", "Remove repeated values, and fields that change nothing, from --grid.", "--grid lr=0.1"),
    ("--grid checkpoint_minutes=1,2 --grid lr=0.1,0.2", "Remove repeated values, and fields that change nothing, from "
     "--grid.", "--grid lr=0.1,0.2"),
]


@leads_out("--grid head=dot,cos", "Give it once: --grid ...=A,B", "--seeds 0-2", "Set seeds with --seeds.",
           "Give it once.", "Remove repeated values, and fields that change nothing, from --grid.")
@pytest.mark.parametrize("wrong, hint, right", PLANS)
def test_a_plan_is_made_after_its_hint(wrong, hint, right, fixhead, tmp_path):
    sweep = SWEEP.replace("DIR", shlex.quote(str(tmp_path)))
    check_way_out(fixhead, f"{sweep} {wrong}", hint, f"{sweep} {right}")


@leads_out("List your runs: fixhead list runs", "Give one of them.", "It has: ....")
def test_runs_are_compared_after_following_hints(explicit, complete, fixhead, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # whose folder of runs is the default
    runs = [read_result(complete(each.resolved).path) for each in plan_runs(explicit, {"lr": [0.1, 0.2]}, [0])]
    again = read_result(complete(plan_runs(explicit, {"lr": [0.1]}, [0])[0].resolved).path)

    with pytest.raises(ArgumentError) as caught:
        compare_results(runs[:1])
    assert all(run.path.name in follow(fixhead, caught.value.hint).out for run in runs)
    with refused("Give one of them."):
        compare_results([*runs, again])
    for one in (runs, [again, runs[1]]):
        assert len(compare_results(one)[0]) == 2
    with pytest.raises(ArgumentError) as caught:
        compare_results(runs, "train")
    for split in re.findall(r"\w+", caught.value.hint.removeprefix("It has: ")):
        assert len(compare_results(runs, split)[0]) == 2
