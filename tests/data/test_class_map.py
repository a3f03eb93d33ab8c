import json

import numpy as np
import pytest

from keras_fixhead.data import label_names
from keras_fixhead.data.class_map import ALIASES, match_classes, read_class_map
from keras_fixhead.data.dataset import Split
from keras_fixhead.errors import ArgumentError, DataError


def test_cifar10_and_stl10_have_nine_classes_in_common():
    """By the lists of both sets: automobile is car, frog and monkey have no counterpart."""
    there = match_classes(label_names.CIFAR10, label_names.STL10)
    back = match_classes(label_names.STL10, label_names.CIFAR10)

    assert there.to_run == (0, 2, 1, 3, 4, 5, 7, None, 8, 9)
    assert (there.missing, there.new) == (("frog",), ("monkey",)) and len(there.common) == 9
    assert back.to_run == (0, 2, 1, 3, 4, 5, None, 6, 8, 9) and back.missing == ("monkey",)
    assert not there.same and match_classes(label_names.STL10, label_names.STL10).same


@pytest.mark.parametrize("run, other, expected", [
    (["maple_tree", "oak_tree"], ["Maple tree", "OAK-TREE"], (0, 1)),
    (["cafe\u0301", "tea"], ["caf\u00e9"], (0,)),  # a folder's name on macOS, and the same name typed
    (["Cat", "cat"], ["cat"], (1,)),
    (["cat", "dog"], ["Cat", "cat"], (0, 0)),
    (["sofa", "boat"], ["couch", "ship"], (0, None)),
])
def test_names_match_whatever_their_capitals_separators_and_unicode_form(run, other, expected):
    assert match_classes(run, other).to_run == expected


def test_a_mapping_comes_before_names_and_can_leave_classes_out_and_merge_them():
    found = match_classes(["cat", "dog", "ship"], ["kitten", "cat", "boat", "dog"],
                          {"kitten": "cat", "boat": "ship", "dog": None})

    assert found.to_run == (0, 0, 2, None) and found.new == ("dog",) and found.missing == ("dog",)
    assert found.labels(np.array([3, 2, 1, 0])).tolist() == [-1, 2, 0, 0]


def test_images_of_new_classes_are_left_out_and_files_stay_with_their_images():
    images = np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1)
    split = Split(images, np.array([0, 1, 2, 1], np.int32), np.array(["a", "b", "c", "d"]))
    found = match_classes(["dog", "cat"], ["fox", "cat", "dog"]).split(split)

    assert found.images.ravel().tolist() == [1, 2, 3] and found.labels.tolist() == [1, 0, 1]
    assert found.files.tolist() == ["b", "c", "d"] and found.labels.dtype == np.int32


@pytest.mark.parametrize("run, other, mapping, message", [
    (["a", "b"], ["x", "y"], None, "does not have the run's classes: x, y instead of a, b. .*--class-map FILE"),
    (["A-1", "a_1"], ["a 1"], None, "'a 1' could be 'A-1' or 'a_1'. Say which: --class-map FILE"),
    (["cat"], ["boat", "cat"], {"boot": "cat"}, "'boot' in the class map is not a class of the data set.* 'boat'"),
    (["cat", "dog"], ["boat"], {"boat": "cta"}, "'cta' in the class map is not a class of the run.* 'cat'"),
])
def test_what_cannot_be_matched_is_named(run, other, mapping, message):
    with pytest.raises(ArgumentError, match=message):
        match_classes(run, other, mapping)


def test_notes_name_what_is_missing_and_what_is_new():
    notes = match_classes(label_names.CIFAR10, label_names.STL10).notes("stl10")

    assert notes == ["1 class of stl10 is not in the run, and its pictures are left out: monkey.",
                     "stl10 has 9 of the run's 10 classes; missing: frog."]
    assert match_classes(["a", "b"], ["B", "A"]).notes("set") == []


def test_a_class_map_is_an_object_of_names(tmp_path):
    file = tmp_path / "map.json"
    file.write_text(json.dumps({"boat": "ship", "fox": None}))
    assert read_class_map(file) == {"boat": "ship", "fox": None}
    for content, message in [("[1]", "is not a JSON object of names"), ('{"a": 1}', "is not a JSON object of names"),
                             ('{"a": "b", "a": "c"}', "'a' appears twice"),
                             ("{", "is not valid JSON: line 1, column 2: expected a name")]:
        file.write_text(content)
        with pytest.raises(DataError, match=f'{message}.* Expected {{"name in the data set"'):
            read_class_map(file)


def test_no_name_has_two_meanings_in_the_table_of_aliases():
    names = [name for group in ALIASES for name in group]
    assert len(names) == len(set(names)) and all(name == name.casefold() for name in names)
