"""Runs of the first pair of the plan, several at once, and what is compared of them."""
import signal
import threading
import time

import pytest

from keras_fixhead.reproduction import read_results
from keras_fixhead.reproduction.running import run as running
from keras_fixhead.reproduction.running.parallel import run_at_once
from keras_fixhead.runs import list_runs


class Said:
    def __init__(self):
        self.lines = []

    def __call__(self, line, err=False):
        self.lines.append(line)


def wait_until(happened, seconds=60):
    for _ in range(10 * seconds):
        if found := happened():
            return found
        time.sleep(0.1)
    pytest.fail(f"nothing happened for {seconds} s")


def run_pair(folder, engine, most_runs=2):
    """Runs the first pair of the plan with a tiny network; returns the exit status and the lines that were said."""
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    said = Said()
    status = run_at_once(running.Options(out=folder / "out", runs_dir=folder / "runs", blocks=("1",), rehearsal=True,
                                         rehearsal_dataset="digits", threads=1, most_runs=most_runs), engine, said)
    return status, said.lines


def stop_pair(folder, engine):
    """Sends Ctrl-C when both runs are in the middle of their second epoch; returns the exit status."""
    (folder / "runs").mkdir(parents=True)
    (folder / "runs" / "wait").touch()

    def interrupt():
        wait_until(lambda: len(list((folder / "runs").glob("*/metrics.jsonl"))) == 2, seconds=300)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(1)
        (folder / "runs" / "wait").unlink()

    threading.Thread(target=interrupt).start()
    status, _ = run_pair(folder, engine)
    assert not list((folder / "out").iterdir())
    assert {each.read("status")["state"] for each in list_runs(str(folder / "runs"))} == {"interrupted"}
    return status


def numbers(folder):
    """Returns everything in the results of a rehearsal that does not depend on time and place."""
    found = {}
    for each in read_results(folder / "out", rehearsal=True):
        curves = [{name: value for name, value in row.items() if "second" not in name and "memory" not in name}
                  for row in each.content["curves"]]
        matrices = {name: array.tobytes() for name, array in each.matrices().items()}
        found[each.path.name] = (each.content["evaluation"], each.content["robustness"], curves, matrices)
    return found
