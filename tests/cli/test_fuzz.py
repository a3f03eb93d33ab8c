"""Random combinations of options for every command: no traceback, and a one-line error if a call fails.

`FIXHEAD_FUZZ_SEED` and `FIXHEAD_FUZZ_CALLS` select other calls than the default ones.
"""
import os
import random
import re
import subprocess
import sys

import pytest
from command_tree import leaves
from fuzzing import call, make_files

from keras_fixhead.config import resolve
from keras_fixhead.recipes import build_config
from keras_fixhead.runs import create_run

SEED = int(os.environ.get("FIXHEAD_FUZZ_SEED", "0"))
CALLS = int(os.environ.get("FIXHEAD_FUZZ_CALLS", "25"))
DIGITS = ("--dataset", "digits", "--recipe", "smoke", "--width", "0.0625", "--limit-train", "40", "--epochs", "1",
          "--batch-size", "20")
# arguments that keep a call short: training is only planned, and commands that would train or serve get a wrong path
SHORT = {
    ("demo",): ("--out", "file.txt"), ("train",): ("--dry-run",), ("sweep",): ("--dry-run", "--dataset", "digits"),
    ("compare",): (), ("evaluate",): ("--data-dir", "file.txt"), ("predict",): ("--timeout", "1"),
    ("robustness",): ("--data-dir", "file.txt"), ("export",): ("--format", "nonsense"),
    ("publish",): ("--dry-run",),
    ("serve",): ("--tls-cert", "nothing"), ("check", "conformance"): ("--make-models", "file.txt"),
    ("check", "parity"): ("--limit", "0"), ("data", "show"): ("--images", "0"), ("data", "pack"): ("--part-mb", "-1"),
    ("data", "verify"): (), ("data", "cache"): (), ("list",): (), ("show",): (), ("completion",): (),
    ("doctor",): ("--data-dir", "file.txt"), ("reproduce",): ("--dry-run",), ("report",): (),
    ("analyze",): (), ("data", "check"): (), ("data", "corrupt"): ("--data-dir", "file.txt"),
    ("data", "build"): ("--data-dir", "file.txt"),
}


def check_outcome(words, code, out, err):
    """Checks that a call has ended with 0 and a result, or with a one-line error."""
    said = f"{words}\n{err}"
    assert code in (0, 1, 2), said
    assert not re.search(r"Traceback|\[Errno|site-packages|--debug|\w+Warning:", err), said
    errors = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == (0 if code == 0 else 1) or "Left out" in err, said
    if errors:
        assert err.splitlines().index(errors[0]) >= len(err.splitlines()) - 2, said  # a hint may follow
        assert len(errors[0]) < 2_000, said


@pytest.mark.parametrize("words, command", [pytest.param(*each, id=" ".join(each[0])) for each in leaves()])
def test_a_random_call_ends_with_a_result_or_a_one_line_error(fixhead, tmp_path, monkeypatch, words, command):
    monkeypatch.chdir(tmp_path)
    make_files(tmp_path)
    create_run(resolve(build_config({"runs_dir": str(tmp_path)}))).path.rename(tmp_path / "run")
    draw = random.Random(f"{SEED} {words}")
    for _ in range(CALLS):
        arguments = call(draw, words, command, tmp_path, SHORT[words])
        answer = fixhead(*arguments)
        check_outcome(arguments, answer.code, answer.out, answer.err)


@pytest.mark.long
@pytest.mark.parametrize("number", range(40))
def test_random_training_ends_with_a_run_or_a_one_line_error(tmp_path, number):
    """Each call has its own process: precision, threads and determinism are set once per process."""
    (words, command), = [each for each in leaves() if each[0] == ("train",)]
    make_files(tmp_path)
    arguments = call(random.Random(f"{SEED} {number}"), words, command, tmp_path, ("--quiet",))
    done = subprocess.run([sys.executable, "-m", "fixhead_cli", "train", *DIGITS, *arguments[1:]],
                          capture_output=True, text=True, cwd=tmp_path, timeout=300)

    check_outcome(arguments, done.returncode, done.stdout, done.stderr)
