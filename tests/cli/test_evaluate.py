"""`fixhead evaluate` and `fixhead robustness` on data that the run was not trained on."""
import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_fixhead.data import load_dataset
from keras_fixhead.runs.generalization import read_generalization


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of digits of four classes, in another size than the run: two of its names, and two others."""
    folder, digits = tmp_path_factory.mktemp("pictures"), load_dataset("digits").test
    for name, label in [("3", 3), ("7", 7), ("nine", 9), ("stranger", 0)]:
        (folder / name).mkdir()
        for number in np.flatnonzero(digits.labels == label)[:12]:
            Image.fromarray(digits.images[number]).resize((64, 64)).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def class_map(tmp_path_factory):
    file = tmp_path_factory.mktemp("maps") / "map.json"
    file.write_text(json.dumps({"nine": "9", "stranger": None}))
    return file


def test_a_folder_is_evaluated_at_the_size_of_the_run_and_each_picture_has_a_row(fixhead, digits_run, pictures,
                                                                                 class_map, tmp_path):
    answer = fixhead("evaluate", digits_run.path, "--dataset", pictures, "--class-map", class_map,
                     "--predictions", tmp_path / "rows.csv", "--json").json
    with (tmp_path / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    predicted = fixhead("predict", digits_run.path, pictures / "7", "--json").json["predictions"]

    assert answer["evaluation"]["test"]["n"] == len(rows) == 36
    assert answer["classes"] == {"common": 3, "missing": ["0", "1", "2", "4", "5", "6", "8"], "new": ["stranger"]}
    assert answer["accuracy"]["test"] == pytest.approx(np.mean([row["correct"] == "1" for row in rows]))
    assert answer["common_accuracy"]["test"] >= answer["accuracy"]["test"]
    assert {row["label"] for row in rows} == {"3", "7", "9"} and all(row["file"].endswith(".png") for row in rows)
    shares = np.array([[float(row[f"probability{rank}"]) for rank in range(1, 6)] for row in rows])
    assert (np.diff(shares, axis=1) <= 0).all() and (shares.sum(axis=1) <= 1 + 1e-5).all()
    assert {each["file"] for each in predicted} == {row["file"] for row in rows if row["label"] == "7"}


def test_what_differs_is_said_in_words(fixhead, digits_run, pictures):
    answer = fixhead("evaluate", digits_run.path, "--dataset", pictures)

    assert answer.out.splitlines()[:2] == [
        f"2 classes of {pictures} are not in the run, and their pictures are left out: nine, stranger.",
        f"{pictures} has 2 of the run's 10 classes; missing: 0, 1, 2, 4, 5, ...."]
    assert "among the common classes" in answer.out


def test_one_common_class_has_no_accuracy_among_the_common_classes_and_no_drop(fixhead, digits_run, pictures, tmp_path):
    file = tmp_path / "map.json"
    file.write_text(json.dumps({"3": None, "nine": None, "stranger": None}))
    asked = ["evaluate", digits_run.path, "--dataset", pictures, "--class-map", file]
    answer = fixhead(*asked, "--json").json
    said = fixhead(*asked).out

    assert "common_accuracy" not in answer and answer["drop"] is None and answer["classes"]["common"] == 1
    assert ("Only one class is common, 7: an accuracy among the common classes would be 100 % whatever the model "
            "answers, and is not reported.") in said
    assert "among the common classes 1" not in said and "drop" not in said


def test_the_drop_is_kept_with_its_interval_and_compared(fixhead, digits_run, pictures, class_map, tmp_path):
    runs = [tmp_path / name for name in ("one", "two")]
    for run, seed in zip(runs, (0, 1), strict=True):
        shutil.copytree(digits_run.path, run, ignore=shutil.ignore_patterns("checkpoints", "generalization"))
        config = json.loads((run / "config.json").read_text())
        config["resolved"]["seed"] = config["asked"]["seed"] = seed
        (run / "config.json").write_text(json.dumps(config))
    measured = [fixhead("evaluate", run, "--dataset", pictures, "--class-map", class_map, "--json").json
                for run in runs]
    drop = measured[0]["drop"]
    compared = fixhead("compare", *runs, "--generalization", pictures, "--figure", tmp_path / "drop.png", "--json")
    said = fixhead("compare", *runs, "--generalization", pictures.name, "--figure", tmp_path / "drop.png")

    assert measured[0]["kept"] == str(runs[0] / "generalization" / f"{pictures.name}.json")
    assert drop["n_outside"] == 36 and drop["common_accuracy"] == measured[0]["common_accuracy"]["test"]
    assert drop["drop_points"] == pytest.approx(100 * (drop["own_common_accuracy"] - drop["common_accuracy"]))
    low, high = drop["drop_interval_95"]
    assert low <= drop["drop_points"] <= high
    (group,) = compared.json["groups"]
    assert len(group["seeds"]) == 2 and group["drop"]["mean"] == pytest.approx(drop["drop_points"])
    assert (tmp_path / "drop.png").stat().st_size > 5_000 and "drop (95 % interval, BCa)" in said.out
    assert group["n_outside"] == 36 and " % of 36 " in said.out


def test_two_folders_of_one_name_are_kept_apart(fixhead, digits_run, pictures, class_map, tmp_path):
    """./site-b/test overwrote what had been measured on ./site-a/test."""
    run = tmp_path / "run"
    shutil.copytree(digits_run.path, run, ignore=shutil.ignore_patterns("checkpoints", "generalization", "robustness"))
    folders = [tmp_path / site / "test" for site in ("a", "b")]
    kept = {}
    for command in ("evaluate", "robustness"):
        for folder in [*folders, folders[command == "evaluate"]]:  # one again, which overwrites only its own
            if not folder.exists():
                shutil.copytree(pictures, folder)
            suite = ["--suite", "paper", "--corruption", "impulse_noise", "--severities", "1"]
            fixhead(command, run, "--dataset", folder, "--class-map", class_map, *suite * (command == "robustness"))
        where = run / {"evaluate": "generalization"}.get(command, command)
        kept[command] = {Path(json.loads(each.read_text())["dataset"]): each.stem for each in where.glob("*.json")}

    for found in kept.values():
        assert found.keys() == set(folders) and len(set(found.values())) == 2
    assert kept["evaluate"][folders[0]] == "test"
    for folder in folders:
        assert read_generalization(run, str(folder)).content["dataset"] == str(folder)


def test_robustness_is_measured_on_a_folder_too(fixhead, digits_run, pictures, class_map):
    answer = fixhead("robustness", digits_run.path, "--dataset", pictures, "--class-map", class_map, "--limit", 8,
                     "--quiet", "--json").json

    assert answer["n"] == 8 and answer["classes"]["common"] == 3
    kept = digits_run.path / "robustness" / f"paper-{pictures.name}-n8.json"
    labels = np.load(kept.with_suffix(".npz"))["labels"]
    assert kept.is_file() and np.unique(labels).tolist() == [3, 7, 9]  # the first 8 of the folder are all of class 3


@pytest.mark.parametrize("command", ["evaluate", "robustness"])
def test_a_class_map_without_another_data_set_is_refused(fixhead, digits_run, class_map, command):
    answer = fixhead(command, digits_run.path, "--class-map", class_map)

    assert answer.code == 2 and "--class-map applies to another data set. Add --dataset NAME|FOLDER." in (
        " ".join(answer.err.split()))


def test_broken_pictures_are_passed_over_and_counted(fixhead, digits_run, pictures, tmp_path):
    shutil.copytree(pictures, tmp_path / "pictures")
    (tmp_path / "pictures" / "3" / "broken.png").write_bytes(b"no picture")
    for command in (["evaluate"], ["robustness", "--corruption", "jpeg_compression", "--severities", "1", "--limit", 4,
                                   "--out", tmp_path / "out"]):
        asked = [*command, digits_run.path, "--dataset", tmp_path / "pictures"]
        assert "skip them with --skip-broken" in fixhead(*asked).err
        assert fixhead(*asked, "--skip-broken", "--json").json["skipped_pictures"] == 1
    answer = fixhead("evaluate", digits_run.path, "--skip-broken")
    assert answer.code == 2 and "--skip-broken applies to another folder of pictures." in answer.err
