"""Results are committed as they end, and nothing else with them."""
import subprocess

import pytest

from keras_fixhead.reproduction.running.committing import commit


@pytest.fixture
def repository(tmp_path, monkeypatch):
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "someone")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "someone@example.org")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path


def test_a_result_is_committed_without_what_others_have_staged(repository):
    for name in ("result.json", "result.npz", "other.txt"):
        (repository / name).write_text("1")
    subprocess.run(["git", "add", "other.txt"], cwd=repository, check=True)
    assert commit([repository / "result.json", repository / "result.npz"], "Result: a cell, seed 0") is None

    command = ["git", "show", "--format=%s", "--name-only"]
    shown = subprocess.run(command, cwd=repository, capture_output=True, text=True,
                           check=True).stdout.split("\n")
    assert shown == ["Result: a cell, seed 0", "", "result.json", "result.npz", ""]


def test_a_result_that_cannot_be_committed_says_why(repository, monkeypatch):
    assert "did not match any files" in commit([repository / "missing.json"], "Result")
    monkeypatch.setenv("PATH", "")
    assert "git" in commit([repository / "missing.json"], "Result")
