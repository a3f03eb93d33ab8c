"""Every hint about sets of vectors, and about names and weights of classes: produced in its situation, and followed."""
import re
import shlex

import numpy as np
import pytest
from hints import check_way_out, hint_of, leads_out, refused

from keras_fixhead.data import embeddings, load_dataset
from keras_fixhead.data.balance import loss_weights, parse_class_weights
from keras_fixhead.data.class_map import match_classes, read_class_map
from keras_fixhead.data.outside import outside_dataset
from keras_fixhead.data.pictures import PictureForm

LABELS = np.arange(20) % 4
FEATURES = np.eye(4, 3, dtype="float32")[LABELS]
RIGHT = {"features": FEATURES, "labels": LABELS}
HOLE = np.where(np.arange(20)[:, None] == 7, np.float32("nan"), FEATURES)

# what is wrong with a set, the hint, and what follows it
SETS = [
    ({"test_features": FEATURES[:, :2], "test_labels": LABELS}, "Give all parts the same number of columns.",
     {"test_features": FEATURES}),
    ({"labels": np.where(LABELS == 3, -1, LABELS)},
     "Number the classes from 0, and leave out vectors whose class is unknown.",
     {"labels": LABELS[LABELS < 3], "features": FEATURES[LABELS < 3]}),
    ({"class_names": ["a", "b", "c"]}, "Number the classes from 0, and leave out vectors whose class is unknown.",
     {"class_names": ["a", "b", "c", "d"]}),
    ({"labels": LABELS * 100}, "Number the classes from 0 without gaps, or name them all in class_names.",
     {"labels": LABELS}, {"class_names": [str(number) for number in range(301)]}),
    ({"features": FEATURES.astype("float64")}, "Save them with np.save(..., features.astype('float32')).",
     {"features": FEATURES.astype("float64").astype("float32")}),
    ({"labels": LABELS.astype("float64")}, "Save them with np.save(..., labels.astype('int64')).",
     {"labels": LABELS.astype("float64").astype("int64")}),
    ({"labels": LABELS[1:]}, "Give one label per vector.", {"labels": LABELS}),
    ({"class_names": ["a", "b", "b", "c"]}, "Give each class a name of its own.", {"class_names": list("abcd")}),
    ({"class_names": ["a", "", "b", "c"]}, "Give each class a name of its own.", {"class_names": list("abcd")}),
    ({"features": HOLE}, "Leave such vectors out, with their labels.",
     {"features": np.delete(HOLE, 7, axis=0), "labels": np.delete(LABELS, 7)}),
    ({"labels": LABELS.astype(object)}, "Save it again with np.save or np.savez, without objects.", {"labels": LABELS}),
]


def write(path, arrays):
    """Writes an embedding set, an .npz file or a folder, and returns its path."""
    if path.suffix == ".npz":
        np.savez(path, **arrays)
        return str(path)
    path.mkdir(exist_ok=True)
    for name, array in arrays.items():
        if name == "class_names":
            (path / "class_names.txt").write_text("\n".join(array) + "\n")
        else:
            np.save(path / f"{name}.npy", array)
    return str(path)


@leads_out(*(hint.replace("class_names.", "....") for _, hint, *_ in SETS))
@pytest.mark.parametrize("ending", ["", ".npz"])
@pytest.mark.parametrize("wrong, hint, ways_out", [(wrong, hint, ways) for wrong, hint, *ways in SETS],
                         ids=[hint.rstrip(".") for _, hint, *_ in SETS])
def test_vectors_and_labels_are_saved_as_the_hint_says(tmp_path, monkeypatch, wrong, hint, ways_out, ending):
    monkeypatch.setattr(embeddings, "_MOST_WITHOUT_NAMES", 200)
    path = tmp_path / f"vectors{ending}"
    for right in ways_out:
        with refused(hint):
            load_dataset(write(path, RIGHT | wrong))
        load_dataset(write(path, RIGHT | wrong | right))


def test_a_set_has_the_arrays_that_the_hint_names(tmp_path):
    path = write(tmp_path / "vectors", {"features": FEATURES})
    with refused("Expected features.npy, float16 or float32 (N, D), and labels.npy, whole numbers (N,)."):
        load_dataset(path)
    load_dataset(write(tmp_path / "vectors", {"labels": LABELS}))


@leads_out("Write one class name per line.")
def test_names_are_written_as_text(tmp_path):
    path = write(tmp_path / "vectors", RIGHT)
    (tmp_path / "vectors" / "class_names.txt").write_bytes(b"caf\xe9\nb\nc\nd\n")
    with refused("Write one class name per line."):
        load_dataset(path)
    (tmp_path / "vectors" / "class_names.txt").write_text("café\nb\nc\nd\n")
    assert load_dataset(path).label_names == ("café", "b", "c", "d")


@leads_out("Check it: fixhead data check ...", "Leave --image-size out.", "Give a --dataset of pictures.")
def test_vectors_are_not_used_as_pictures(fixhead, tmp_path):
    path = shlex.quote(write(tmp_path / "my vectors.npz", RIGHT))
    for command in (f"data show {path}", f"data corrupt {path} {tmp_path}/out", f"data pack {path} {tmp_path}/out"):
        hint = hint_of(fixhead(*shlex.split(command)))
        assert hint.startswith("Check it: fixhead data check ")
        assert fixhead(*shlex.split(hint.partition("fixhead ")[2])).code == 0
    check_way_out(fixhead, f"train --dry-run --dataset {path} --image-size 32", "Leave --image-size out.",
                  f"train --dry-run --dataset {path}")
    check_way_out(fixhead, "train --dry-run --image-size 64", "Leave --image-size out.", "train --dry-run")

    form = PictureForm(32, 32)
    with refused("Give a --dataset of pictures."):
        outside_dataset(str(tmp_path / "my vectors.npz"), None, form)
    assert outside_dataset("digits", None, form).image_shape == (32, 32, 3)


# Classes


@leads_out("For example ...", "Did you mean ...?", "Its classes: ...", "Give every class a weight; 1 is the usual one.")
def test_weights_of_classes_are_written_as_the_hint_says():
    names = ("cat", "dog")
    for wrong in ("{", "[1]", "{}", "cat"):
        with refused("For example ") as caught:
            parse_class_weights(wrong)
        example = caught.value.hint.removeprefix("For example ")
        assert loss_weights(example, np.array([0, 1]), names).tolist() == [2, 1]

    for wrong, form in (
            ('{"catt": 2, "dog": 1}', "Did you mean '(.*)'"), ('{"x": 2, "dog": 1}', "Its classes: (cat), dog.")):
        with refused(re.split(r"[':(]", form)[0]) as caught:
            loss_weights(wrong, np.array([0, 1]), names)
        name = re.search(form, caught.value.hint)[1]
        assert loss_weights(re.sub("catt|x", name, wrong), np.array([0, 1]), names).tolist() == [2, 1]

    with refused("Give every class a weight; 1 is the usual one."):
        loss_weights('{"cat": 2}', np.array([0, 1]), names)
    assert loss_weights('{"cat": 2, "dog": 1}', np.array([0, 1]), names).tolist() == [2, 1]


@leads_out("Give a --dataset with some of the same classes, or --class-map FILE.", "Say which: --class-map FILE",
           'Expected {"name in the data set": "name in the run", "to be left out": null}.')
def test_classes_are_matched_with_a_map(tmp_path):
    run, file = ["ship", "truck"], tmp_path / "map.json"
    with refused("Give a --dataset with some of the same classes, or --class-map FILE."):
        match_classes(run, ["boat", "dog"])
    assert match_classes(run, ["dog", "ship"]).common == (0,)
    for wrong in ("{", "[1]", '{"boat": 3}'):
        file.write_text(wrong)
        with refused('Expected {"name in the data set": "name in the run", "to be left out": null}.'):
            read_class_map(file)
    file.write_text('{"boat": "ship", "dog": null}')
    assert match_classes(run, ["boat", "dog"], read_class_map(file)).common == (0,)

    for wrong, form in (({"boats": "ship"}, "boats"), ({"boat": "shipp"}, "shipp")):
        with refused("Did you mean ") as caught:
            match_classes(run, ["boat", "dog"], wrong)
        near = re.search("'(.*)'", caught.value.hint)[1]
        right = {near if name == form else name: near if other == form else other for name, other in wrong.items()}
        assert match_classes(run, ["boat", "dog"], right).common == (0,)

    with refused("Say which: --class-map FILE"):
        match_classes(["Sea Lion", "sea-lion"], ["sea lion"])
    assert match_classes(["Sea Lion", "sea-lion"], ["sea lion"], {"sea lion": "sea-lion"}).common == (1,)
