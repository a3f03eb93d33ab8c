"""The example with one class per word: its misspelled forms, its inputs and its table."""
import string
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import many_words

WORDS = ("form", "from", "lantern", "zebra")


def distance(one, other):
    """Optimal string alignment: deletions, insertions, replacements and swaps of neighbours, by dynamic programming."""
    table = np.add.outer(np.arange(len(one) + 1), np.arange(len(other) + 1))
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1,
                              table[i - 1, j - 1] + (one[i - 1] != other[j - 1]))
            if one[i - 2:i] == other[j - 2:j][::-1] and min(i, j) > 1:
                table[i, j] = min(table[i, j], table[i - 2, j - 2] + 1)
    return table[-1, -1]


@pytest.mark.parametrize("split", [many_words.TRAIN, many_words.VALIDATION, many_words.TEST])
def test_a_form_is_one_edit_from_its_word_and_in_its_split_alone(split):
    rng = np.random.default_rng(0)
    forms = {(word, many_words.misspelled(word, frozenset(WORDS), split, rng)) for word in WORDS for _ in range(40)}

    assert len(forms) > 20
    for word, form in forms:
        assert distance(word, form) == 1 and form not in WORDS and set(form) <= set(string.ascii_lowercase)
        assert zlib.crc32(form.encode()) % 10 in split
    assert sorted([*many_words.TRAIN, *many_words.VALIDATION, *many_words.TEST]) == list(range(10))


def test_inputs_are_unit_vectors_and_the_nearest_word_is_the_one_with_the_most_n_grams_in_common():
    words, forms = many_words.counts(WORDS), many_words.counts(["lantren", "zebr"])

    assert words.shape == (4, many_words.BINS) and words.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(words, axis=1), 1, rtol=1e-6)
    assert (forms @ words.T).argmax(axis=1).tolist() == [2, 3]


def test_an_epoch_has_every_word_once_and_does_not_depend_on_the_order_of_its_batches(monkeypatch):
    monkeypatch.setattr(many_words, "BATCH", 2)
    first, second = many_words.batches_of(WORDS, seed=3), many_words.batches_of(WORDS, seed=3)
    labels = np.concatenate([first[index][1] for index in range(len(first))])

    assert sorted(labels.tolist()) == [0, 1, 2, 3]
    np.testing.assert_array_equal(second[1][0], first[1][0])
    second.on_epoch_end()
    assert not np.array_equal(second[1][0], first[1][0])


@pytest.mark.parametrize("arm", many_words.ARMS)
def test_every_arm_learns_to_tell_a_few_words_apart(arm, monkeypatch):
    monkeypatch.setattr(many_words, "BATCH", 4)
    monkeypatch.setattr(many_words, "HIDDEN", 64)
    model = many_words.model_of(arm, WORDS, seed=0, steps=60)
    model.fit(many_words.batches_of(WORDS, seed=0), epochs=60, verbose=0)
    best = many_words.best_classes(model, arm, ["lantren", "zebr"], count=2)

    assert best.shape == (2, 2) and best[:, 0].tolist() == [2, 3]


def test_the_nearest_word_is_found_without_a_network():
    words = ["lantern", "zebra", "window", "orchard"]

    assert many_words.nearest(words, np.array([2, 0, 1]), ["wndow", "lanterm", "orchbrd"]) == 2


def test_the_table_has_the_mean_and_range_of_each_arm_and_says_what_is_missing():
    found = {"top-1": [0.7, 0.8, 0.9], "top-5": [0.9, 0.9, 0.9], "memory": [1e9, 2e9, 3e9]}
    measured = [{"name": f"random/{metric}", "n": 3, "values": values, "mean": sum(values) / 3, "median": values[1]}
                for metric, values in found.items()]
    lines = many_words.block({"measurements": measured, "counts": {
        "tested": 10, "right without training": 7, "asked of pyspellchecker": 200, "right by pyspellchecker": 50}})

    assert "| 3 | 80.0 % (70.0 to 90.0) | 90.0 % (90.0 to 90.0) | 2.00 GB |" in lines[2]
    assert lines[3].count("not measured") == lines[4].count("not measured") == 3
    assert "70.0 %" in lines[5] and "25.0 %" in lines[6]
