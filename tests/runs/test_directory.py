import datetime
import json
import os
from pathlib import Path

import pytest

from keras_fixhead.config import TrainConfig, earlier_digest, resolve, to_store
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.runs import (
    Run,
    UnwrittenRun,
    continued,
    create_run,
    directory,
    extended,
    list_runs,
    make_folder,
    open_run,
    resumed,
)
from keras_fixhead.vectors import class_vectors, vectors_digest


@pytest.fixture
def resolved(tmp_path):
    return resolve(TrainConfig(runs_dir=str(tmp_path / "runs"), precision="float32", threads=2))


@pytest.fixture
def config(resolved):
    return resolved.config


@pytest.fixture
def run(resolved):
    return create_run(resolved)


@pytest.fixture
def frozen_clock(monkeypatch):
    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 1, 2, 3, 4, 5)

    monkeypatch.setattr(directory.datetime, "datetime", Clock)


def test_a_new_run_stores_the_asked_and_the_resolved_configuration(run, resolved):
    content = json.loads((run.path / "config.json").read_text())

    assert run.path.is_absolute()
    assert (run.config(), run.digest()) == (resolved.config, resolved.digest)
    assert run.stored() == to_store(resolved)
    assert (content["schema"], content["digest"]) == (2, resolved.digest)
    assert (content["asked"]["crop_padding"], content["resolved"]["crop_padding"]) == (None, 4)


def test_a_run_locked_by_another_process_is_read_only(run, config):
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    other = UnwrittenRun(run.path)
    other.write_config(to_store(resolve(TrainConfig())))
    other.write_status("failed", epoch=1)
    other.write_metrics([{"epoch": 1}])
    other.write_arrays("test.npz", confusion=[1])
    with run.lock(), other.lock():
        assert other.config() == config

    assert {path.name: path.read_bytes() for path in run.path.iterdir() if path.name != ".lock"} == before


def test_runs_created_in_the_same_second_get_different_directories(resolved, frozen_clock):
    paths = [create_run(resolved).path for _ in range(3)]

    name = "20260102-030405-digits-resnet18-cos-fixed-s0"
    assert [path.name for path in paths] == [name, f"{name}-2", f"{name}-3"]


def test_an_existing_directory_is_not_reused(resolved, frozen_clock):
    there = Path(resolved.config.runs_dir) / "20260102-030405-digits-resnet18-cos-fixed-s0"
    there.mkdir(parents=True)
    (there / "notes.txt").write_text("mine")

    assert create_run(resolved).path != there
    assert os.listdir(there) == ["notes.txt"]  # noqa: PTH208


def test_a_run_path_is_absolute(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = create_run(resolve(TrainConfig(runs_dir="here")))
    monkeypatch.chdir("/")

    assert run.config().runs_dir == "here"
    assert run.path.parent == tmp_path / "here"


def test_a_run_that_cannot_be_created_gives_a_one_line_error():
    with pytest.raises(RunError, match=r"/dev/null/x cannot be created: Not a directory\."):
        create_run(resolve(TrainConfig(runs_dir="/dev/null/x")))
    with pytest.raises(RunError, match="/dev/null cannot be created"):
        create_run(resolve(TrainConfig(runs_dir="/dev/null")))
    with pytest.raises(RunError, match="cannot be created"):
        make_folder(Path("/dev/null/a/b"))


def test_a_run_can_be_opened_by_path(run, monkeypatch):
    monkeypatch.chdir(run.path.parent)

    assert open_run(run.path) == open_run(str(run.path)) == open_run(run.name) == run


def test_a_folder_that_is_not_a_run_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"nothing does not exist\. List the runs: fixhead list runs"):
        open_run(tmp_path / "nothing")
    with pytest.raises(RunError, match=r"is not a run directory: it has no config\.json"):
        open_run(tmp_path)


@pytest.mark.parametrize("content, message", [
    ("{", "config.json is damaged"),
    ('{"schema": 99}', "has schema 99; this version of keras_fixhead reads up to 2"),
    ('{"schema": 1, "epochs": 3}', "config.json is damaged: it lacks dataset, fixed, head, model, scale, seed, width"),
    ({"epochs": "ten"}, "config.json is damaged: epochs must be int or float, got 'ten'"),
    ({"epoch": 10}, "config.json is damaged: Unknown configuration field 'epoch'. Did you mean"),
    ({"lr": float("nan")}, "config.json is damaged: lr must be a finite number"),
])
def test_a_damaged_configuration_is_an_error_naming_the_file(run, content, message):
    if isinstance(content, dict):
        whole = json.loads((run.path / "config.json").read_text())
        content = json.dumps({**whole, "resolved": {**whole["resolved"], **content}})
    (run.path / "config.json").write_text(content)
    with pytest.raises(RunError, match=message) as caught:
        run.config()

    assert str(run.path) in str(caught.value) and "\n" not in str(caught.value)


def test_missing_fields_of_an_older_configuration_get_defaults(run):
    kept = {"dataset", "model", "width", "head", "fixed", "scale", "seed", "epochs", "lr"}
    old = TrainConfig(epochs=3, lr=0.5)
    content = {"schema": 1, **{name: value for name, value in old.as_dict().items() if name in kept}}
    (run.path / "config.json").write_text(json.dumps(content))

    assert run.config() == old


def flat(run, **changes):
    """Writes config.json in schema 1."""
    found = resolve(run.config())
    drawn = class_vectors(found.config.class_vectors, found.data.num_classes, found.dim, found.config.vector_seed)
    content = {"schema": 1, **found.config.as_dict(), "class_vectors_digest": vectors_digest(drawn),
               "extended_from": None, "config_digest": earlier_digest(found)} | changes
    (run.path / "config.json").write_text(json.dumps(content))


def test_a_run_of_schema_1_keeps_its_digest_until_it_is_continued(run, resolved):
    flat(run)

    assert (run.config(), run.digest()) == (resolved.config, earlier_digest(resolved))
    stored = continued(run, resolve(run.config()))
    run.write_config(stored)
    assert json.loads((run.path / "config.json").read_text())["schema"] == 2
    assert (run.config(), run.digest(), run.stored().asked.flip) == (resolved.config, resolved.digest, None)


def finished(run):
    run.write_status("complete", epoch=200)
    run.newest_checkpoint.parent.mkdir()
    run.newest_checkpoint.write_bytes(b"")


def test_an_extended_run_has_a_history_and_another_digest(run, resolved):
    finished(run)
    stored = continued(run, resolve(extended(run, 300)))

    assert (stored.extended_from, stored.config.epochs, stored.asked.epochs) == ("200", 300, 300)
    straight = resolve(TrainConfig(**{**run.config().values(), "epochs": 300}))
    assert stored.digest not in (resolved.digest, straight.digest)
    run.write_config(stored)
    assert continued(run, resolve(run.config())) == stored  # an interrupted extension
    assert continued(run, resolve(extended(run, 400))).extended_from == "200,300"


def test_a_run_is_not_continued_with_another_configuration(run, config):
    finished(run)
    for change in ({"lr": 0.3}, {"epochs": 100}, {"seed": 1}, {"epochs": 300, "lr": 0.3}):
        other = resolve(TrainConfig(**config.values() | change))
        with pytest.raises(ArgumentError, match=f"The configuration differs from that of {run.path}"):
            continued(run, other)
    assert continued(run, resolve(TrainConfig(**config.values() | {"logger": "mlflow"}))).asked.logger == "mlflow"


def test_a_run_can_be_resumed_with_changes_that_do_not_affect_the_result(run, config):
    assert resumed(run, {"logger": "mlflow", "epochs": 200}).logger == "mlflow"
    assert resumed(run, {}) == config
    for name in TrainConfig.names():
        if not TrainConfig.field(name).metadata["resumable"] and name != "epochs":
            with pytest.raises(ArgumentError, match=f"--{name.replace('_', '-')} cannot change it"):
                resumed(run, {name: getattr(config, name) or None})  # None, not False: not --no-...
    with pytest.raises(ArgumentError, match="is not finished, so it cannot be extended"):
        resumed(run, {"epochs": 300})
    finished(run)
    assert resumed(run, {"epochs": 300}).epochs == 300


def test_an_unfinished_run_cannot_be_extended(run, config):
    with pytest.raises(ArgumentError, match="is not finished, so it cannot be extended"):
        continued(run, resolve(TrainConfig(**config.values() | {"epochs": 300})))


def test_a_run_is_not_continued_with_class_vectors_from_another_draw(run, config):
    flat(run, class_vectors_digest="0" * 64)
    with pytest.raises(ArgumentError, match="was trained with class vectors of digest 0000000000000000, but kind"):
        continued(run, resolve(config))


@pytest.mark.parametrize("name", ["dataset", "model", "width", "head", "fixed", "scale", "seed", "epochs"])
def test_a_configuration_without_its_identifying_fields_is_damaged(run, name):
    content = json.loads((run.path / "config.json").read_text())
    del content["resolved"][name]
    (run.path / "config.json").write_text(json.dumps(content))
    with pytest.raises(RunError, match=rf"config\.json is damaged: it lacks {name}\."):
        run.config()


@pytest.mark.parametrize("file, content, lacking", [
    ("status", {"epoch": 1}, "state"), ("status", {"state": "running", "epoch": None}, "epoch"),
    ("result", {"accuracy": 0.5, "evaluation": {}, "label_names": []}, "accuracy"),
    ("result", {"accuracy": {}, "evaluation": {}}, "label_names"),
])
def test_a_file_without_required_fields_is_damaged(run, file, content, lacking):
    run.write(file, content)
    with pytest.raises(RunError, match=rf"{file}\.json is damaged: it has no '{lacking}'\."):
        run.read(file)


def test_status_tells_how_to_resume_until_the_run_is_complete(run):
    run.write_status("interrupted", epoch=2, reason="stopped")
    status = run.read("status")
    assert (status["state"], status["epoch"], status["reason"]) == ("interrupted", 2, "stopped")
    assert status["resume"] == run.resume_command == f"fixhead train --resume {run.path}"
    assert status["process"] == os.getpid()
    assert datetime.datetime.fromisoformat(status["since"]).tzinfo is not None

    run.write_status("complete", epoch=3)
    assert run.read("status")["resume"] is None


def test_files_in_subfolders_can_be_written_and_read_by_name(run):
    assert not run.has("robustness/paper")
    run.write("robustness/paper", {"clean": 0.5})

    assert run.has("robustness/paper")
    assert run.read("robustness/paper") == {"clean": 0.5}
    with pytest.raises(RunError, match=r"result\.json is missing"):
        run.read("result")


def test_metrics_are_read_line_by_line(run):
    rows = [{"epoch": 1, "loss": 0.1 + 0.2}, {"epoch": 2, "loss": 1e-300}]
    assert run.metrics() == []
    run.write_metrics(rows)
    assert run.metrics() == rows
    run.write_metrics(rows[:1])
    assert run.metrics() == rows[:1]
    assert len((run.path / "metrics.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize("content, said", [
    (b'{"epoch": 1}\n{"epo', "line 2, column 2: the text that begins here has no closing double quote"),
    (b'{"epoch": 1}\n\xff', "line 2, column 1: expected UTF-8 text"),
    (b"[1]\n", "expected JSON objects with an epoch"), (b'{"loss": 1}\n', "expected JSON objects with an epoch"),
])
def test_damaged_metrics_are_an_error(run, content, said):
    (run.path / "metrics.jsonl").write_bytes(content)
    with pytest.raises(RunError, match=rf"metrics\.jsonl is damaged: {said}"):
        run.metrics()


def test_runs_are_listed_oldest_first_and_other_folders_skipped(config, tmp_path, frozen_clock):
    created = [create_run(resolve(config)) for _ in range(2)]
    (Path(config.runs_dir) / "other").mkdir()
    (Path(config.runs_dir) / "file.txt").write_text("")

    assert list(list_runs(config.runs_dir)) == created
    assert list(list_runs(tmp_path / "nothing")) == []


def test_the_resume_command_can_be_pasted_for_any_path():
    assert Run(Path("/my runs/it's")).resume_command == """fixhead train --resume '/my runs/it'"'"'s'"""


def test_paths_of_a_run():
    run = Run(Path("/r/one"))

    assert run.name == "one"
    assert run.model_path == Path("/r/one/model.keras")
    assert run.newest_checkpoint.parent == run.best_checkpoint.parent == Path("/r/one/checkpoints")
    assert run.newest_checkpoint != run.best_checkpoint
