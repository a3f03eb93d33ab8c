"""Names of classes that have none: as a tuple of their numbers, without its memory."""
import json
import tracemalloc

import numpy as np
import pytest

from keras_fixhead.class_names import NumberedNames, names_from_json, names_to_json
from keras_fixhead.data.choice import chosen_labels
from keras_fixhead.data.class_map import find_class, match_classes
from keras_fixhead.data.embeddings import embedding_entry
from keras_fixhead.errors import ArgumentError

MANY = NumberedNames(10_000_000)


def test_they_are_the_tuple_of_their_numbers():
    names, expected = NumberedNames(12), tuple(map(str, range(12)))

    assert names == expected and expected == names and names == list(expected) and tuple(names) == expected
    assert names != expected[1:] and names != (*expected[:-1], "x") and names != NumberedNames(11) and names != 12
    assert len(names) == 12 and (names[3], names[-1], names[2:4]) == ("3", "11", ("2", "3"))
    for name in (*expected, "12", "-1", "03", "1.0", "", "٣", "9" * 5000, 3):
        assert (name in names) == (name in expected), name
        if name in expected:
            assert names.index(name) == expected.index(name)
        else:
            with pytest.raises(ValueError, match="is not the name of a class"):
                names.index(name)
    with pytest.raises(IndexError):
        names[12]


@pytest.mark.parametrize("names", [("cat", "dog"), NumberedNames(1_000_000)])
def test_they_are_read_from_json_as_they_were_written(names):
    text = json.dumps(names_to_json(names))
    assert names_from_json(json.loads(text)) == names and len(text) < 30


def test_a_set_of_very_many_classes_has_no_list_of_their_names(tmp_path):
    np.save(tmp_path / "features.npy", np.ones((3, 2), "float32"))
    np.save(tmp_path / "labels.npy", np.array([0, 9_999_999, 5]))
    tracemalloc.start()
    entry = embedding_entry(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert entry.label_names == MANY and peak < 1_000_000


def test_they_are_matched_and_chosen_without_a_table_of_all():
    assert find_class("9999999", MANY) == 9_999_999 and find_class("10000000", MANY) is None
    found = match_classes(MANY, NumberedNames(3))
    assert found.to_run == (0, 1, 2) and found.common == (0, 1, 2) and not found.same
    assert match_classes(MANY, ["７ ", "7"], {"７ ": "7"}).to_run == (7, 7)
    assert match_classes(NumberedNames(3), NumberedNames(3)).same
    assert chosen_labels(NumberedNames(1_000_000), {"low": ("1", "2")}, "7,low") == [1, 2, 7]


def test_a_message_about_very_many_classes_is_short():
    with pytest.raises(ArgumentError, match=r"Unknown class 'cat'\. Expected one of 0, 1, 2, ") as error:
        chosen_labels(MANY, {}, "cat,1")
    assert len(str(error.value)) < 10_000


def test_the_missing_classes_of_100_000_are_found_at_once():
    """Each was looked for in all others: ten thousand million comparisons."""
    names = [f"word {number}" for number in range(100_000)]
    found = match_classes(names, names[:-1])
    assert found.missing == ("word 99999",) and found.notes("a set") == [
        "a set has 99999 of the run's 100000 classes; missing: word 99999."]
