"""Running a plan, with stand-ins for training."""
import signal
import subprocess
import sys
import threading
import time

import pytest

from keras_fixhead.errors import FixheadWarning, RunError, TrainingError, silenced
from keras_fixhead.experiments import processes
from keras_fixhead.experiments.plan import plan_runs, plan_warnings
from keras_fixhead.experiments.run import run_plan, run_trained_by
from keras_fixhead.runs import create_run


def test_complete_runs_are_skipped_and_a_failure_does_not_stop_the_others(explicit, complete):
    calls = []

    def train(resolved, resume):
        calls.append((resolved.config.lr, resume))
        if resolved.config.lr == 0.3:
            run = create_run(resolved)
            run.write_status("failed", epoch=0, reason="The loss is nan in epoch 1, step 3")
            raise TrainingError("The loss is nan")
        return complete(resolved)

    grid = {"lr": [0.1, 0.2, 0.3, 0.4]}
    done = complete(plan_runs(explicit, grid, [0])[1].resolved)
    half = create_run(plan_runs(explicit, grid, [0])[3].resolved)
    half.write_status("running", epoch=1)  # killed: its lock is not held
    outcomes = list(run_plan(plan_runs(explicit, grid, [0]), train))

    assert [each.what for each in outcomes] == ["trained", "done", "failed", "resumed"]
    assert outcomes[1].run.path == done.path and calls[-1][1].path == half.path
    assert outcomes[2].reason == "The loss is nan in epoch 1, step 3"
    assert [lr for lr, _ in calls] == [0.1, 0.3, 0.4]

    again = list(run_plan(plan_runs(explicit, grid, [0]), train))
    assert [each.what for each in again] == ["done", "done", "failed", "done"] and len(calls) == 3
    list(run_plan(plan_runs(explicit, grid, [0]), train, retry_failed=True))
    assert [lr for lr, _ in calls] == [0.1, 0.3, 0.4, 0.3]


def test_a_run_being_trained_by_another_process_is_skipped(explicit):
    run = create_run(plan_runs(explicit, {}, [0])[0].resolved)
    run.write_status("running", epoch=1)
    with run.lock():
        (planned,) = plan_runs(explicit, {}, [0])
        (outcome,) = run_plan([planned], lambda config, resume: pytest.fail("trained"))

    assert planned.state == outcome.what == "running"


def test_commands_after_training_run_before_the_model_is_discarded(explicit, complete):
    seen = []

    def then(run):
        assert run.model_path.exists()
        seen.append(run)

    plan = plan_runs(explicit, {}, [0, 1])
    outcomes = list(run_plan(plan, lambda config, resume: complete(config), then=then, discard_models=True))

    assert [each.run for each in outcomes] == seen
    for run in seen:
        assert not run.model_path.exists() and not run.newest_checkpoint.exists()
        assert run.has("result") and run.metrics()
    assert {each.state for each in plan_runs(explicit, {}, [0, 1])} == {"complete"}


def test_a_failing_command_after_training_is_reported(explicit, complete):
    def then(run):
        raise RunError("robustness ended with status 1.")

    (outcome,) = run_plan(plan_runs(explicit, {}, [0]), lambda config, resume: complete(config), then=then)
    assert outcome.what == "failed" and "robustness ended" in outcome.reason


SAY = "from keras_fixhead.errors import warn_once; warn_once({!r})"


def test_a_sweep_warns_once_and_its_processes_do_not_repeat_the_warning(explicit, complete, capfd):
    (text,) = plan_warnings(plan_runs(explicit, {"fixed": [False]}, [0, 1]))

    def train(config, resume):
        complete(config)
        return run_trained_by([sys.executable, "-c", SAY.format(text)], config)  # like the head during training

    with pytest.warns(FixheadWarning) as said:
        list(run_plan(plan_runs(explicit, {"fixed": [False]}, [0, 1]), train))

    assert [str(each.message) for each in said] == [text]
    assert "known to fall behind" not in capfd.readouterr().err


def test_a_process_still_gives_warnings_that_were_not_given_before():
    answer = subprocess.run([sys.executable, "-c", SAY.format("Something else.")], env=silenced(), capture_output=True,
                            text=True)
    assert "Something else." in answer.stderr


@pytest.mark.slow
def test_a_process_trains_each_run_of_a_plan_and_resumes_an_interrupted_one(explicit):
    small = {**explicit, "width": 0.0625, "limit_train": 100, "batch_size": 50, "epochs": 1}
    half = create_run(plan_runs(small, {}, [1])[0].resolved)
    half.write_status("running", epoch=0)  # killed before its first checkpoint
    outcomes = list(run_plan(plan_runs(small, {}, [0, 1])))

    assert [each.what for each in outcomes] == ["trained", "resumed"], [each.reason for each in outcomes]
    assert outcomes[1].run.path == half.path and all(each.run.has("result") for each in outcomes)


def test_several_runs_at_once_end_like_one_after_the_other(explicit, complete):
    """Two runs wait for each other, so they must run at once; the third fails, which stops neither."""
    both = threading.Barrier(2, timeout=60)

    def train(resolved, resume):
        if resolved.config.seed == 2:
            raise TrainingError("broken")
        both.wait()
        return complete(resolved)

    plan = plan_runs(explicit, {}, [0, 1, 2])
    outcomes = list(run_plan(plan, train, jobs=3))

    assert sorted((each.planned.config.seed, each.what) for each in outcomes) == [
        (0, "trained"), (1, "trained"), (2, "failed")]
    assert [each.state for each in plan_runs(explicit, {}, [0, 1, 2])] == ["complete", "complete", "new"]


def test_ctrl_c_stops_all_processes_and_starts_no_others(explicit, monkeypatch):
    monkeypatch.setattr(processes, "PATIENCE_SECONDS", 0.01)
    started = []

    def train(resolved, resume):
        started.append(resolved)
        run_trained_by([sys.executable, "-c", "import time; time.sleep(600)"], resolved)

    def interrupt():
        while len(processes._running) < 2:
            time.sleep(0.05)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        list(run_plan(plan_runs(explicit, {}, [0, 1, 2, 3]), train, jobs=2))

    assert len(started) == 2 and not processes._running
