"""Where the pictures of a data set lie; no picture is read."""
import json
import os

import pytest

from keras_fixhead.data.layout import find_layout
from keras_fixhead.data.sources import describe, is_folder
from keras_fixhead.errors import DataError


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def names(layout, root):
    return {part: {name: [os.path.relpath(file, root) for file in files] for name, files in classes.items()}
            for part, classes in layout.parts.items()}


@pytest.mark.parametrize("train, validation, test", [
    ("train", "val", "test"), ("TRAIN", "Valid", "Testing"), ("training", "validation", "Test"),
    ("Train", "dev", "test")])
def test_splits_have_their_usual_names_in_any_capitals(tmp_path, train, validation, test):
    touch(tmp_path, *(f"{part}/{name}/{number}.png" for part in (train, validation, test) for name in "ab"
                      for number in range(2)))
    layout = find_layout(str(tmp_path)).checked()

    assert list(layout.parts) == ["train", "validation", "test"] and layout.label_names == ("a", "b")
    assert names(layout, tmp_path)["validation"]["b"] == [f"{validation}/b/0.png", f"{validation}/b/1.png"]


def test_a_single_train_folder_holds_the_classes(tmp_path):
    touch(tmp_path, "train/a/0.png", "train/a/1.png", "train/b/0.png", "train/b/1.png")

    assert list(find_layout(str(tmp_path)).checked().parts) == ["all"]


@pytest.mark.parametrize("paths, said", [
    (["train/a/1.png", "cats/1.png"], r"has train next to cats: is it a split or a class\? For splits, move"),
    (["train/1.png", "val/1.png", "cats/1.png"], r"has train, val next to cats: are they splits or classes\?"),
    (["train/a/1.png", "val/a/1.png", "valid/a/1.png"], "several folders for one split: train, val, valid"),
    (["val/a/1.png", "test/a/1.png"], r"has test, val, but no train\. Add .*train"),
])
def test_folders_that_may_be_splits_or_classes_are_refused_with_a_question(tmp_path, paths, said):
    touch(tmp_path, *paths)
    with pytest.raises(DataError, match=said):
        find_layout(str(tmp_path)).checked()


def test_splits_that_are_not_classes_are_accepted_after_renaming_as_the_hint_says(tmp_path):
    touch(tmp_path, *(f"{name}/{number}.png" for name in ("train", "bus") for number in range(2)))
    with pytest.raises(DataError, match="such as train to train-class"):
        describe(str(tmp_path), image_size=8)
    (tmp_path / "train").rename(tmp_path / "train-class")

    assert describe(str(tmp_path), image_size=8).label_names == ("bus", "train-class")


def test_what_is_not_a_picture_is_passed_over_and_listed(tmp_path):
    touch(tmp_path, "a/1.png", "a/2.JPG", "a/3.jfif", "a/deep/er/4.webp", "a/Thumbs.db", "a/notes.txt", "a/.hidden.png",
          "a/.cache/5.png", "b/1.tif", "b/2.avif", "readme.md", ".git/x/1.png", "__MACOSX/a/1.png")
    (tmp_path / "empty").mkdir()
    layout = find_layout(str(tmp_path)).checked()

    assert names(layout, tmp_path) == {"all": {"a": ["a/1.png", "a/2.JPG", "a/3.jfif", "a/deep/er/4.webp"],
                                               "b": ["b/1.tif", "b/2.avif"]}}
    assert sorted(os.path.relpath(each, tmp_path) for each in layout.passed_over) == [
        ".git", "__MACOSX", "a/.cache", "a/.hidden.png", "a/Thumbs.db", "a/notes.txt", "empty", "readme.md"]


def test_links_are_followed_but_not_in_circles_and_names_may_be_in_any_script(tmp_path):
    touch(tmp_path / "elsewhere", "1.png", "2.png")
    touch(tmp_path / "set", "Käse 梟/é.png", "Käse 梟/ü.png")
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "elsewhere")
    layout = find_layout(str(tmp_path / "set")).checked()

    assert layout.label_names == ("Käse 梟", "linked")
    assert [len(files) for files in layout.parts["all"].values()] == [2, 2]


def test_all_problems_are_named_at_once(tmp_path):
    touch(tmp_path, "train/a/1.png", "train/a/2.png", "train/c/1.png", "train/d/1.png", "train/d/2.png", "val/a/1.png",
          "val/e/1.png", "test/a/1.png", "test/c/1.png", "test/d/1.png")
    with pytest.raises(DataError) as caught:
        find_layout(str(tmp_path)).checked()

    assert "train and validation of" in str(caught.value) and "\n" not in str(caught.value)
    assert "only train has c, d and only validation has e" in str(caught.value)
    assert "has c with 1 picture to train; a class needs at least 2" in str(caught.value)


def test_an_empty_class_folder_in_a_split_other_than_train_is_a_class_without_pictures(tmp_path):
    touch(tmp_path, *(f"{part}/{name}/{number}.png" for part in ("train", "test") for name in "ab"
                      for number in range(2)))
    for file in (tmp_path / "test" / "b").iterdir():
        file.unlink()

    assert [len(files) for files in find_layout(str(tmp_path)).checked().parts["test"].values()] == [2, 0]


LISTED = [("a/1.png", "cat", "train"), ("a/2.png", "cat", "train"), ("b/1.png", "dog", "Training"),
          ("b/2.png", "dog", "train"), ("b/3.png", "dog", "val")]


def as_csv(rows, with_splits):
    header = "Path,Label,Split" if with_splits else "file,class"
    return "\n".join([header, *(",".join(row[: 3 if with_splits else 2]) for row in rows)])


def as_json_lines(rows, with_splits):
    keys = ("path", "label", "split")[: 3 if with_splits else 2]
    return "\n".join(json.dumps(dict(zip(keys, row, strict=False))) for row in rows) + "\n\n"


@pytest.mark.parametrize("with_splits", [True, False])
@pytest.mark.parametrize("name, text", [("l.csv", as_csv), ("l.jsonl", as_json_lines)])
def test_a_list_of_paths_and_labels_is_a_data_set(tmp_path, monkeypatch, name, text, with_splits):
    touch(tmp_path, *(path for path, _, _ in LISTED))
    (tmp_path / name).write_text(text(LISTED, with_splits), "utf-8")
    monkeypatch.chdir(tmp_path)
    layout = find_layout(name).checked()

    assert is_folder(name) and layout.label_names == ("cat", "dog")
    counts = {part: [len(files) for files in classes.values()] for part, classes in layout.parts.items()}
    assert counts == ({"train": [2, 2], "validation": [0, 1]} if with_splits else {"all": [2, 3]})


@pytest.mark.parametrize("name, text, said", [
    ("l.csv", "a,b\n1,2", "has the columns a, b; path and label are missing. Its first line is path,label"),
    ("l.csv", "path,label,split\nx.png,,train\ny.png,a,nowhere", "line 2 has .* line 3 has .* a split if others"),
    ("l.csv", 'path,label\na.png,a\n"' + "x" * 200_000, r"l\.csv is not valid CSV after line \d+: field larger .*path"),
    ("l.csv", "path,label,split\nx.png,a,test", "has no pictures of the split train. Leave the splits out"),
    ("l.csv", "path,label\n", r"l\.csv lists no pictures\. Its first line is path,label"), ("l.csv", "", "lists no"),
    ("l.jsonl", "\n", "lists no pictures"), ("l.csv", "path,x\na,b", "has the columns path, x; label is missing"),
    ("l.csv", "path,label\na.png,a\nb.png\n", "line 3 has path 'b.png', label '' and split ''"),
    ("l.jsonl", '{"path": "a", "label": "b"}\n\n{"path": "c", "label": null}', "line 3 has path 'c', label ''"),
    ("l.csv", 'path,label\na.png,"a\nb"\nb.png,"a\nb"\nc.png,c\nd.png,c', r"cannot be written as one line of text: "
     r"'a\\nb'\. Rename them, without line breaks"),
    ("l.jsonl", "\n{", r"l\.jsonl is not valid JSON: line 2, column 2: expected a name in .*\. Such as"),
    ("l.jsonl", "[1]", r"Line 1 of .* is not a JSON object\. Such as"),
])
def test_a_wrong_list_is_refused(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=said):
        find_layout(str(tmp_path / name)).checked()


def test_accents_that_are_stored_in_two_ways_are_one_class(tmp_path):
    """macOS takes names apart (NFD), Linux keeps them as they were typed (mostly NFC)."""
    composed, apart = "caf\u00e9", "cafe\u0301"
    touch(tmp_path, *(f"{part}/{name}/{number}.png" for part, word in (("train", composed), ("val", apart))
                      for name in (word, "b") for number in range(2)))
    layout = find_layout(str(tmp_path)).checked()
    rows = [f"{number}.png,{name}" for number, name in enumerate((composed, apart, "b", "b"))]
    (tmp_path / "l.csv").write_text("\n".join(["path,label", *rows]), "utf-8")

    assert layout.label_names == ("b", composed) and [len(each[composed]) for each in layout.parts.values()] == [2, 2]
    assert find_layout(str(tmp_path / "l.csv")).checked().label_names == ("b", composed)
    touch(tmp_path, f"train/{apart}/2.png")
    with pytest.raises(DataError, match=r"has two folders that are both called caf.*Put their pictures into one"):
        find_layout(str(tmp_path)).checked()


def test_a_class_whose_name_has_a_line_break_is_refused(tmp_path):
    touch(tmp_path, *(f"{name}/{number}.png" for name in ("a\nb", "c") for number in range(2)))
    with pytest.raises(DataError, match=r"cannot be written as one line of text: 'a\\nb'\."):
        find_layout(str(tmp_path)).checked()


def test_a_name_that_is_too_long_for_a_file_is_not_a_folder():
    assert not is_folder("a" * 300)
