"""The small studies in results/, as read by the README and the pages."""
import json
from pathlib import Path

import numpy as np
import pytest
from synthetic import write_result

from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.reproduction.planning.cells import cell
from keras_fixhead.reproduction.studies import (
    FixedAgainstLearned,
    collect,
    fixed_against_learned,
    fixed_against_learned_on_whole_sets,
    main,
    merged_pairs,
    read_study,
)
from keras_fixhead.runs import create_run

RESULTS = Path(__file__).parents[2] / "results"


def test_fixed_vectors_win_at_scale_1_and_lose_at_scale_30_in_the_files():
    one, thirty = fixed_against_learned(RESULTS)
    stored = json.loads((RESULTS / "main_effect.json").read_text())  # written before studies had comparisons
    (plain,) = [each for each in json.loads((RESULTS / "margins.json").read_text())["comparisons"]
                if each["arm"] == "none, fixed"]

    assert (one.dataset, one.scale, thirty.dataset, thirty.scale) == ("cifar10", 1.0, "cifar100", 30.0)
    assert one.difference.mean > 0 > thirty.difference.mean
    for found, values in ((one.difference, stored), (thirty.difference, plain)):
        assert found.n == values["n"] == 3 and found.mean == pytest.approx(values["mean"])
        assert found.interval == pytest.approx(values["interval_95"]) and found.std == pytest.approx(values["std"])


@pytest.mark.parametrize(("head", "scale", "planned"), [("cos", 1.0, 3), ("dot", 0.2, 6)])
def test_whole_sets_count_once_all_planned_pairs_of_seeds_are_measured(tmp_path, head, scale, planned):
    folder = tmp_path / "evidence"
    folder.mkdir()
    arms = [cell(dataset="cifar10", recipe="fast", head=head, scale=scale, fixed=fixed, label_smoothing=0.0)
            for fixed in (True, False)]
    for seed in range(planned):
        assert fixed_against_learned_on_whole_sets(tmp_path) == []
        write_result(folder, arms[0], seed, 91.0 + seed)
        write_result(folder, arms[1], seed, 85.0)
    (found,) = fixed_against_learned_on_whole_sets(tmp_path)

    assert (found.dataset, found.head, found.scale, found.difference.n) == ("cifar10", head, scale, planned)
    assert found.difference.mean == pytest.approx(6.0 + (planned - 1) / 2)


def test_a_file_that_is_not_a_study_is_named(tmp_path):
    (tmp_path / "other.json").write_text('{"schema": 1}')
    with pytest.raises(RunError, match=r"other\.json is not the file of a study"):
        read_study(tmp_path / "other.json")


def finished(runs_dir, seed, fixed, accuracy, **fields):
    run = create_run(resolve(TrainConfig(dataset="digits", recipe="cpu", epochs=2, precision="float32", seed=seed,
                                         fixed=fixed, runs_dir=str(runs_dir), **fields)))
    run.write_metrics([{"epoch": epoch, "accuracy": 0.3 * epoch, "cross_entropy": 2.0 / epoch,
                        "validation_accuracy": 0.2 * epoch, "validation_cross_entropy": 2.1 / epoch}
                       for epoch in (1, 2)])
    run.write("result", {
        "accuracy": {"test": accuracy}, "evaluation": {"test": {"own_cosine": 0.8}}, "label_names": ["a", "b"],
        "class_vectors_max_cosine": 0.1, "seconds": 60.0, "images_per_second": 10.0, "data_digest": "0",
        "config_digest": "1", "class_vectors_digest": "2",
        "environment": {"cpu": "some", "cpu_count": 2, "gpus": [], "versions": {}, "python": "3", "git": None}})
    run.write_arrays("test.npz", confusion=np.diag([3, 4]), class_vectors=np.array([[1.0, 0.0], [0.6, 0.8]]))


def test_a_study_is_collected_from_its_runs_and_read_back_with_their_matrices(tmp_path):
    for seed in (0, 1, 2):
        finished(tmp_path / "runs", seed, True, 0.8 + seed / 100)
        finished(tmp_path / "runs", seed, False, 0.6)
    study = read_study(collect("main_effect", tmp_path / "runs", tmp_path))

    assert study.seeds == [0, 1, 2] and study.config["epochs"] == 2 and "seed" not in study.config
    assert study.difference("cos-fixed", "cos-learned").values == pytest.approx({0: 20.0, 1: 21.0, 2: 22.0})
    (stored,) = study.content["comparisons"]
    assert stored["mean"] == pytest.approx(21.0) and stored["n"] == 3
    assert study.evaluation("cos-fixed", "own_cosine") == [0.8] * 3
    np.testing.assert_allclose(study.cosines("cos-learned")[2], [[1, 0.6], [0.6, 1]], atol=1e-7)
    assert study.matrices()["cos-fixed, seed 1, confusion"].tolist() == [[3, 0], [0, 4]]
    assert str(tmp_path) not in (tmp_path / "main_effect.json").read_text()


def test_runs_that_do_not_form_a_study_are_refused(tmp_path):
    with pytest.raises(ArgumentError, match="differ in more than arm and seed, or there are none"):
        collect("main_effect", tmp_path / "none", tmp_path)
    finished(tmp_path / "runs", 0, True, 0.8)
    with pytest.raises(ArgumentError, match=r"The runs of 'cos-learned' with the seeds 0 are missing"):
        collect("main_effect", tmp_path / "runs", tmp_path)
    finished(tmp_path / "runs", 0, False, 0.8, lr=0.3)
    with pytest.raises(ArgumentError, match="differ in more than arm and seed"):
        collect("main_effect", tmp_path / "runs", tmp_path)


def test_the_command_writes_the_study_or_says_in_one_line_why_not(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["signed_features", "runs"])
    assert stop.value.code == 1
    assert capsys.readouterr().err.startswith("Error: The runs in runs differ in more than arm and seed, or there are ")
    (tmp_path / "docs").mkdir()
    (tmp_path / "results").mkdir()
    for fixed in (True, False):
        finished(tmp_path / "runs", 0, fixed, 0.8)
    main(["main_effect", "runs"])

    assert capsys.readouterr().out == "Wrote results/main_effect.json\n"
    assert read_study(Path("results/main_effect.json")).seeds == [0] and Path("docs/main_effect.png").stat().st_size


def test_class_vectors_are_merged_if_above_the_bound_for_every_seed():
    near = np.array([[1, 0.96, 0.99], [0.96, 1, 0], [0.99, 0, 1]])
    apart = np.array([[1, 0.97, 0], [0.97, 1, 0], [0, 0, 1]])

    assert merged_pairs(["cat", "dog", "ship"], [near, apart]) == "dog and cat"


def test_fixing_wins_or_loses_by_the_rules_of_the_claims():
    """Five of six seeds ahead are not enough for the exact test, whatever Student's interval says."""
    learned = dict.fromkeys(range(6), 90.0)
    ahead = FixedAgainstLearned("cifar10", 1.0, {seed: 91.0 + 0.1 * seed for seed in range(6)}, learned)
    open_ = FixedAgainstLearned("cifar10", 1.0, {**dict.fromkeys(range(5), 91.0), 5: 89.9}, learned)

    assert open_.difference.interval[0] > 0 and open_.state == "undecided at this n"
    assert ahead.state == "held"
