"""Hints of reproducing the paper: each is printed in its situation, and leads out."""
import json
import re
import shlex
import socket
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hints import check_way_out, command_in, follow, leads_out, refused
from synthetic import write_matrices, write_result
from test_studies import finished

from keras_fixhead.config import TrainConfig
from keras_fixhead.errors import ArgumentError
from keras_fixhead.reproduction import cell, read_results
from keras_fixhead.reproduction.planning.plans import blocks_named
from keras_fixhead.reproduction.report.content import read_report
from keras_fixhead.reproduction.running.ray_engine import Ray
from keras_fixhead.reproduction.studies import QUESTIONS, collect

ONE = cell(dataset="cifar100", epochs=30)


@leads_out("Expected one of ....")
def test_every_block_that_is_named_exists():
    with pytest.raises(ArgumentError) as caught:
        blocks_named(["x"], "gpu")
    names = caught.value.hint.removeprefix("Expected one of ").removesuffix(".").split(", ")
    assert [block.name for block in blocks_named(names, "gpu")] == names


@leads_out("Add --recipe ....", "Did you mean ...?")
@pytest.mark.parametrize("wrong, hint, right", [
    ("E1 --recipe honest", "Add --recipe fast.", "E1 --recipe fast"),
    ("7b --recipe fast", "Add --recipe honest.", "7b --recipe honest"),
    ("tabel1", "Did you mean 'table1'?", "table1"),
])
def test_a_target_of_the_plan_is_listed(wrong, hint, right, fixhead, tmp_path):
    check_way_out(fixhead, f"reproduce {wrong} --dry-run", hint, f"reproduce {right} --dry-run")


@leads_out("Give the folder that it is in: fixhead report ...", "Make some: fixhead reproduce table1 --data-dir DATA")
def test_results_are_reported_from_the_folder_of_the_hint(fixhead, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "my results" / "gpu"
    folder.mkdir(parents=True)
    with pytest.raises(ArgumentError) as caught:
        read_report(tmp_path / "my results")
    make = command_in(caught.value.hint, DATA=tmp_path).split()[1:]
    assert fixhead(*make, "--dry-run").code == 0

    write_matrices(write_result(folder, ONE, 0), np.eye(2), np.eye(2))
    with pytest.raises(ArgumentError) as caught:
        read_report(folder)
    assert follow(fixhead, caught.value.hint).out and (tmp_path / "report" / "report.md").is_file()


@leads_out("Keep rehearsals in a separate folder.",
           "Move it out of the folder, and repeat the run with the whole data set.",
           "Remove one of them, or rename it so that it no longer ends in .json.")
def test_a_folder_of_results_is_read_once_hints_are_followed(tmp_path):
    write_result(tmp_path, ONE, 0)
    for changes, hint in (({"rehearsal": True}, "Keep rehearsals in a separate folder."),
                          ({"subset": "a subset of cifar100: 600 of 50,000 training images"},
                           "Move it out of the folder, and repeat the run with the whole data set.")):
        file = write_result(tmp_path, ONE, 1, **changes)
        with refused(hint):
            read_results(tmp_path)
        (separate := tmp_path / hint[:4]).mkdir()
        file.rename(separate / file.name)
        assert len(read_results(tmp_path)) == 1
    assert len(read_results(tmp_path / "Keep", rehearsal=True)) == 1
    write_result(tmp_path, ONE, 1, subset=None)

    for leave_out in (lambda file: file.unlink(), lambda file: file.rename(file.with_suffix(".old"))):
        (again := tmp_path / "again.json").write_text(next(tmp_path.glob("*.json")).read_text())
        with refused("Remove one of them, or rename it so that it no longer ends in .json."):
            read_results(tmp_path)
        leave_out(again)
        assert len(read_results(tmp_path)) == 2


@leads_out("Run: ...")
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_study_is_collected_from_the_runs_of_the_command_in_the_hint(name, fixhead, tmp_path):
    folder, varied = tmp_path / "my runs", ("signed_features", "margin", "margin_size")
    with pytest.raises(ArgumentError) as none:
        collect(name, folder, tmp_path)
    plan = [TrainConfig.from_dict(each["config"]) for each in fixhead(
        *shlex.split(command_in(none.value.hint))[1:], "--dry-run", "--json").json["plan"]]
    for number, config in enumerate(plan):
        assert config.runs_dir == str(folder)
        finished(folder, config.seed, config.fixed, 0.5, **{field: getattr(config, field) for field in varied})
        if number == 0:
            with refused(none.value.hint):
                collect(name, folder, tmp_path)

    assert json.loads(collect(name, folder, tmp_path).read_text())["seeds"] == [0, 1, 2]


class FakeRay:
    """Stands in for the package: a cluster of one machine with four cores."""

    def __init__(self, problem=None):
        self.problem = problem
        self.exceptions = SimpleNamespace(RayError=Exception)

    def init(self, **options):
        if self.problem:
            raise self.problem

    def nodes(self):
        return [{"Alive": True, "Resources": {"CPU": 4}}]

    def remote(self, **options):
        return lambda function: function

    def is_initialized(self):
        return False


@leads_out("Use fewer --jobs or --threads.", "Start one: ray start --head; its output names the address.")
def test_a_cluster_that_runs_and_is_large_enough_is_used(monkeypatch, fixhead):
    monkeypatch.setitem(sys.modules, "ray", FakeRay())
    with refused("Use fewer --jobs or --threads."):
        Ray(3, 2, None, None)
    assert Ray(2, 2, None, None).slots == 2 and Ray(3, 1, None, None).threads == 1
    assert {"--jobs", "--threads"} <= set(re.findall(r"--\w+", fixhead("reproduce", "--help").out))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        assert Ray(1, 1, address, None).slots == 1
    start = "Start one: ray start --head; its output names the address."
    with refused(start):  # nothing listens there now
        Ray(1, 1, address, None)
    monkeypatch.setitem(sys.modules, "ray", FakeRay(ConnectionError("no cluster")))
    with refused(start):
        Ray(1, 1, "auto", None)
    monkeypatch.setitem(sys.modules, "ray", FakeRay())
    assert Ray(1, 1, "auto", None).slots == 1
