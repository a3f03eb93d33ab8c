"""`fixhead data build`, on a synthetic tree with the layout of Open Images."""
import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_fixhead.data import Split
from keras_fixhead.data.catalog import DATASETS
from keras_fixhead.data.label_names import STL10
from keras_fixhead.data.packed import write_packed
from keras_fixhead.data.whole import WholeSet

sys.path.append(str(Path(__file__).parents[1] / "data"))
from open_images_tree import write_tree


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tree of Open Images, and a packed set with the name and form of stl10."""
    folder = tmp_path_factory.mktemp("gathering")
    write_tree(folder / "open-images", each=2)
    entry = dataclasses.replace(DATASETS["stl10"], train=18, validation=2, test=10)
    parts = {split: Split(np.zeros((count, 96, 96, 3), np.uint8), np.arange(count, dtype=np.int32) % 10)
             for split, count in (("train", 20), ("test", 10))}
    write_packed(folder / "stl10.packed", "stl10", WholeSet("stl10", entry, parts, STL10), part_bytes=10**6)
    return folder


def test_a_set_is_gathered_evaluated_and_made_again(fixhead, digits_run, folder, tmp_path):
    built = fixhead("data", "build", "stl_gen", folder / "open-images", tmp_path / "out", "--per-class", 3,
                    "--data-dir", folder, "--quiet", "--json").json
    (tmp_path / "map.json").write_text(json.dumps({name: str(label) for label, name in enumerate(STL10)}))
    measured = fixhead("evaluate", digits_run.path, "--dataset", tmp_path / "out", "--class-map",
                       tmp_path / "map.json", "--json").json
    corrupted = fixhead("robustness", digits_run.path, "--dataset", tmp_path / "out", "--class-map",
                        tmp_path / "map.json", "--corruption", "jpeg_compression", "--severities", 1, "--out",
                        tmp_path / "corrupted", "--quiet", "--json").json
    again = fixhead("data", "build", "stl_gen", folder / "open-images", tmp_path / "again", "--manifest",
                    tmp_path / "out" / "manifest.json")

    assert (built["n"], built["class_count"], built["training_set"]["images"]) == (30, 10, 20)
    assert measured["evaluation"]["test"]["n"] == 30 and "not the paper's images" in measured["notes"][0]
    assert "not the paper's images" in corrupted["notes"][0]
    assert again.code == 0 and "30 images, equal to those of" in again.err
    assert (tmp_path / "again" / "manifest.json").read_bytes() == (tmp_path / "out" / "manifest.json").read_bytes()


def test_what_is_said_has_the_paper_the_subset_and_what_differs(fixhead, folder, tmp_path):
    said = fixhead("data", "build", "stl_gen", folder / "open-images", tmp_path / "out", "--per-class", 2,
                   "--data-dir", folder).out

    assert "20 images of 96x96 pixels, 2 of each of 10 classes" in said
    assert "not the paper's images. 2 images of each of 10 classes; the paper has 2,000 images." in said
    assert "a subset of stl10" in said and "Near, not the same: ship" in said


def test_a_class_that_it_does_not_have_is_refused(fixhead, folder, tmp_path):
    answer = fixhead("data", "build", "stl_gen", folder / "open-images", tmp_path / "out", "--leave-out", "frog",
                     "--data-dir", folder)

    assert answer.code == 2 and "stl_gen has no class 'frog' to leave out" in " ".join(answer.err.split())
