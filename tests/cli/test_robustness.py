"""`fixhead robustness` and `fixhead data corrupt` on a run, up to their files."""
import csv
import json

import numpy as np
import pytest
from colour_server import COLOURS, picture

from keras_fixhead.robustness.record import read_measurement


@pytest.fixture(scope="module")
def asked(digits_run):
    return ("robustness", digits_run.path, "--limit", 12, "--quiet")


def test_some_corruptions_and_severities_are_written_as_json_csv_classes_and_figure(fixhead, asked, digits_run):
    answer = fixhead(*asked, "--suite", "cifar-c", "--corruption", "fog", "--corruption", "frost",
                     "--severities", "2,5", "--json").json
    folder = digits_run.path / "robustness"
    name = "cifar-c-n12-fog-frost-severity25"
    content, correct = read_measurement(folder, name)

    assert content["accuracy"] == answer["accuracy"] and list(answer["accuracy"]) == ["frost", "fog"]
    assert answer["severities"] == [2, 5] and answer["mean_corruption_error"]["corruptions"] == ["fog"]
    assert correct["fog", 5].mean() == answer["accuracy"]["fog"][1]
    assert [row["corruption"] for row in csv.DictReader((folder / f"{name}.csv").open())] == [
        "clean", "frost", "frost", "fog", "fog"]
    assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG") and answer["images_per_second"] > 0


def test_images_written_by_data_corrupt_give_the_same_accuracy(fixhead, asked, tmp_path):
    written = fixhead("data", "corrupt", "digits", tmp_path / "made", "--corruption", "contrast", "--quiet", "--json")
    images = np.load(tmp_path / "made" / "contrast.npy", mmap_mode="r")
    from_files = fixhead(*asked, "--suite", tmp_path / "made", "--out", tmp_path / "out", "--json").json
    in_memory = fixhead(*asked, "--suite", "cifar-c", "--corruption", "contrast", "--json").json

    assert written.json["files"] == ["contrast.npy"] and images.shape == (5 * 360, 32, 32, 3)
    assert from_files["accuracy"] == in_memory["accuracy"] and from_files["engine"] == "files"
    assert [each.suffix for each in sorted((tmp_path / "out").iterdir())] == [".csv", ".json", ".npz", ".png"]


def test_data_corrupt_counts_one_file_and_several(fixhead, tmp_path):
    one = fixhead("data", "corrupt", "digits", tmp_path / "one", "--corruption", "contrast", "--limit", 10, "--quiet")
    two = fixhead("data", "corrupt", "digits", tmp_path / "two", "--corruption", "contrast", "--corruption", "fog",
                  "--limit", 10, "--quiet")

    assert "one: 1 file of 50 images, made here" in one.out and "two: 2 files of 50 images, made here" in two.out


def test_data_corrupt_suggests_to_measure_only_what_can_be_measured(fixhead, asked, tmp_path):
    part = fixhead("data", "corrupt", "digits", tmp_path / "part", "--corruption", "contrast", "--limit", 10, "--quiet")
    whole = fixhead("data", "corrupt", "digits", tmp_path / "whole", "--corruption", "contrast", "--quiet")
    refused = fixhead(*asked, "--suite", tmp_path / "part")

    assert "Next:" not in part.out and "write all 360 test images: leave out --limit" in part.out
    assert f"--suite {tmp_path / 'whole'}" in whole.out
    assert refused.code == 2 and "files made with --limit cannot be measured" in refused.err


def test_another_run_is_the_baseline(fixhead, asked, tmp_path):
    first = fixhead(*asked, "--corruption", "jpeg_compression", "--out", tmp_path, "--json").json
    (file,) = tmp_path.glob("*.json")
    divided = fixhead(*asked, "--corruption", "jpeg_compression", "--out", tmp_path, "--baseline", file)

    assert first["mean_corruption_error"]["normalised_by"] is None
    assert f"mean corruption error (mCE), divided by {file.name}'s: 100.00 %" in divided.out
    other = fixhead(*asked, "--suite", "cifar-c", "--baseline", file)
    assert other.code == 2 and "has the suite 'paper', not 'cifar-c'" in other.err
    nothing = tmp_path / "nothing.json"
    nothing.write_text(json.dumps({"schema": 1}))
    refused = fixhead(*asked, "--baseline", nothing)
    assert refused.code == 1 and "Make one: fixhead robustness RUN --suite paper" in refused.err


@pytest.mark.parametrize("options, code, message", [
    (("--suite", "cifar-d"), 2, "Unknown suite 'cifar-d'"),
    (("--corruption", "fgo", "--suite", "cifar-c"), 2, "Did you mean 'fog'"),
    (("--severities", "0-3"), 2, "--severities 1-5"),
    (("--suite", "./nowhere"), 2, "See the names: fixhead list corruptions"),
    (("--suite", "."), 1, "fixhead data corrupt DATASET DIR"),
    (("--suite", "cifar-c", "--engine", "imgaug"), 2, "Use --suite paper, paper-plain or imagenet-c"),
    (("--augmenter", "nothing"), 2, "Expected MODULE:NAME"),
])
def test_what_is_wrong_with_the_corruptions_is_said_before_any_work(fixhead, asked, options, code, message, tmp_path,
                                                                    monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = fixhead(*asked, *options)

    assert answer.code == code and message in answer.err and answer.err.count("\n") <= 2


def test_measurements_of_other_images_have_other_files(fixhead, asked, digits_run, tmp_path):
    """Two folders and a suite of one name, and an augmenter of the name of a suite."""
    for place, seed in (("one", 1), ("two", 2)):
        fixhead("data", "corrupt", "digits", tmp_path / place / "cifar-c", "--corruption", "impulse_noise", "--seed",
                seed, "--quiet")
        fixhead(*asked, "--suite", tmp_path / place / "cifar-c", "--out", tmp_path / "out")
    fixhead(*asked, "--suite", "cifar-c", "--corruption", "impulse_noise", "--out", tmp_path / "out")
    files = sorted(each.name.removeprefix(f"{digits_run.path.name}-") for each in (tmp_path / "out").glob("*.json"))

    assert len(files) == 3 and files[0].startswith("cifar-c-files-") and files[1].startswith("cifar-c-files-")
    assert files[2] == "cifar-c-n12-impulse_noise.json"


def test_what_is_asked_for_in_another_way_has_the_same_files(fixhead, asked, tmp_path):
    every = [word for name in ("jpeg_compression", "impulse_noise", "defocus_blur", "defocus_blur")
             for word in ("--corruption", name)]
    for options in ((), ("--severities", "1-5"), ("--severities", "5,1-4", *every),  # everything, and then a part
                    ("--severities", "5,1"), ("--severities", "1,5,5", *every)):
        assert fixhead(*asked, *options, "--out", tmp_path).code == 0

    assert sorted(each.name.partition("-paper-")[2] for each in tmp_path.glob("*.json")) == [
        "n12-severity15.json", "n12.json"]


def test_of_servers_results_are_written_by_model_and_only_on_request(fixhead, server, tmp_path):
    for color in COLOURS:
        (tmp_path / "data" / "test" / color).mkdir(parents=True)
        (tmp_path / "data" / "train" / color).mkdir(parents=True)
        for number in range(2):
            for part in ("train", "test"):
                picture(tmp_path / "data" / part / color / f"{number}.png", color, (32, 32))
    asked = ("robustness", server.url, f"{server.url}2", "--dataset", tmp_path / "data")
    nothing = fixhead(*asked, "--severities", "1")
    kept = fixhead(*asked, "--severities", "1", "--out", tmp_path / "out")

    assert nothing.code == 0 and "nothing is kept without --out DIR" in nothing.err
    assert kept.code == 0 and "nothing is kept" not in kept.err
    assert sorted(each.name.partition("-")[0] for each in (tmp_path / "out").glob("*.json")) == ["colours", "colours2"]


def test_an_augmenter_that_was_changed_does_not_continue_an_interrupted_measurement(fixhead, asked, tmp_path,
                                                                                    monkeypatch):
    source = ("class Darker:\n    def seed_(self, seed): pass\n"
              "    def augment_image(self, image): return image // {}\n\n\npaper = Darker()\n")
    monkeypatch.syspath_prepend(tmp_path)
    names = []
    for number, part in enumerate((2, 3)):
        (tmp_path / f"mine{number}.py").write_text(source.format(part))
        fixhead(*asked, "--augmenter", f"mine{number}:paper", "--out", tmp_path / str(number))
        names += [each.stem for each in (tmp_path / str(number)).glob("*.json")]

    assert len(set(names)) == 2 and all("-paper-augmenter-" in name for name in names)
    both = fixhead(*asked, "--augmenter", "mine0:paper", "--suite", "paper")
    assert both.code == 2 and "--suite paper and --augmenter mine0:paper are two sets of corruptions" in both.err


def test_a_folder_of_images_cannot_be_corrupted_further(fixhead, asked, tmp_path):
    np.save(tmp_path / "fog.npy", np.zeros(3, np.uint8))
    answer = fixhead(*asked, "--suite", tmp_path, "--augmenter", "mine:rain")

    assert answer.code == 2 and "Leave --engine and --augmenter out" in answer.err
    assert "Unknown corruption 'snow'" in fixhead(*asked, "--suite", tmp_path, "--corruption", "snow").err
