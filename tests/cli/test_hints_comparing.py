"""Hints of `fixhead compare`: each is printed, and what it asks for is compared afterwards."""
import json
import re
import shutil

import numpy as np
import pytest
from hints import command_in, follow, hint_of, leads_out
from PIL import Image

from keras_fixhead.data import load_dataset
from keras_fixhead.errors import RunError
from keras_fixhead.runs.generalization import read_generalization


@pytest.fixture
def runs(digits_run, tmp_path):
    """Copies of a run, one as if trained with another rate."""
    for name, rate in (("one run", 0.123), ("other run", 0.234)):
        shutil.copytree(digits_run.path, tmp_path / name, ignore=shutil.ignore_patterns(
            "checkpoints", "robustness", "generalization"))
        config = json.loads((tmp_path / name / "config.json").read_text())
        config["resolved"]["lr"] = config["asked"]["lr"] = rate
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    return [tmp_path / "one run", tmp_path / "other run"]


def followed_until_compared(fixhead, compare, texts, **filled):
    """Follows the hints of a comparison until it works; returns their number."""
    for number in range(9):
        if (answer := fixhead(*compare)).code == 0:
            return number
        hint = hint_of(answer)
        assert any(text in hint for text in texts), hint
        follow(fixhead, f"{hint.partition(', where')[0]} --quiet" if "robustness" in hint else
               hint.partition(", where")[0], **filled)
    raise AssertionError(hint)


def change_images(path, fixhead, compare):
    """Other images of equal number are refused; of a measurement of an earlier version, other labels are."""
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "images": "0" * 64}))
    other = fixhead(*compare)
    assert hint_of(other) == "Measure all runs with the same options."
    assert "was measured on other images, corruptions or severities than the first" in other.err
    path.write_text(json.dumps({key: value for key, value in content.items() if key != "images"}))
    assert fixhead(*compare).code == 0
    with np.load(path.with_suffix(".npz")) as arrays:
        kept = dict(arrays)
    np.savez(path.with_suffix(".npz"), **{**kept, "labels": kept["labels"][::-1]})
    assert hint_of(fixhead(*compare)) == "Measure all runs with the same options."


@leads_out("Measure it: fixhead robustness ...", "Measure all runs with the same options.", "Give one at a time.",
           "Measure it with fixhead robustness and the options that gave ... for the other runs.")
def test_what_is_missing_for_a_comparison_of_robustness_is_measured(fixhead, runs, tmp_path):
    name = "cifar-c-n12-s3-impulse_noise-severity2"
    compare = ("compare", *runs, "--figure", tmp_path / "r.png", "--robustness", name)
    assert hint_of(fixhead(*compare, "--generalization", "x")) == "Give one at a time."
    assert followed_until_compared(fixhead, compare, ["Measure it: fixhead robustness"]) == 2

    answer = fixhead(*compare, "--json").json
    assert [group["mean"] for group in answer["groups"]] == [answer["groups"][0]["mean"]] * 2  # of equal models
    assert answer["differences"][0]["interval"] == [0.0, 0.0] and (tmp_path / "r.png").is_file()
    assert answer["differences"][0]["verdict"] == "undecided: the interval includes 0"

    change_images(file := runs[1] / "robustness" / f"{name}.json", fixhead, compare)
    file.with_suffix(".npz").unlink()  # as an earlier version left it, whose hint names the same options
    assert followed_until_compared(fixhead, compare, ["Measure it: fixhead robustness"]) == 1

    compare = (*compare[:-1], "own-files")
    assert hint_of(fixhead(*compare)).startswith("Measure it with fixhead robustness and the options that gave own-fi")
    for run in runs:
        for file in list((run / "robustness").glob(f"{name}.*")):
            shutil.copy(file, file.with_stem("own-files"))
    assert fixhead(*compare).code == 0


@leads_out("Measure it: fixhead evaluate ... --dataset FOLDER, where FOLDER is the path of ....",
           "Measure it: fixhead evaluate ... --dataset ...", "Measure the run again.",
           "Measure all runs on the same data, with fixhead evaluate RUN --dataset NAME.")
def test_what_is_missing_for_a_comparison_of_generalization_is_measured(fixhead, runs, tmp_path):
    test, folder = load_dataset("digits").test, tmp_path / "pictures"
    for name in ("3", "7"):
        (folder / name).mkdir(parents=True)
        for number in np.flatnonzero(test.labels == int(name))[:6]:
            Image.fromarray(test.images[number]).save(folder / name / f"{number}.png")
    compare = ("compare", *runs, "--figure", tmp_path / "r.png", "--generalization", folder)
    assert followed_until_compared(fixhead, compare, [" --dataset FOLDER, where FOLDER is the path of pictures."],
                                   FOLDER=folder) == 2

    kept = runs[1] / "generalization"
    content = json.loads((kept / "pictures.json").read_text())
    (kept / "pictures.json").write_text(json.dumps({**content, "images": "0" * 64}))
    same = hint_of(fixhead(*compare))
    assert same == "Measure all runs on the same data, with fixhead evaluate RUN --dataset NAME."
    with np.load(kept / "pictures.npz") as arrays:
        np.savez(kept / "pictures.npz", own=arrays["own"], outside=arrays["outside"][1:])
    assert hint_of(fixhead(*compare)) == "Measure the run again."
    again = [{"RUN": runs[1], "NAME": folder}.get(word, word) for word in command_in(same).rstrip(".").split()[1:]]
    assert fixhead(*again).code == fixhead(*compare).code == 0


@pytest.mark.parametrize("name, dataset", [("cifar10_1-v4", "cifar10_1/v4"), ("stl10", "stl10")])
def test_a_measurement_of_a_known_data_set_is_made_by_its_name(runs, name, dataset, fixhead):
    with pytest.raises(RunError) as caught:
        read_generalization(runs[0], name)
    named = re.search(r"--dataset (\S+)$", caught.value.hint)[1]
    assert named == dataset and fixhead("list", "datasets", named).code == 0
