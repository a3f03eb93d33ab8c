"""What `fixhead data check` finds in a folder of pictures."""
import json

import numpy as np
import pytest
from PIL import Image

from keras_fixhead.data.folder_check import check_folder

DRAW = np.random.default_rng(0)


def write(path, size=(20, 16), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(DRAW.integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)).convert(mode).save(path)


@pytest.fixture
def folder(tmp_path):
    for part, count in (("train", 12), ("val", 2)):
        for name in ("cat", "dog"):
            for number in range(count):
                write(tmp_path / "pets" / part / name / f"{number}.{'png' if name == 'cat' else 'jpg'}")
    return tmp_path / "pets"


def test_a_good_folder_has_no_problems_and_its_pictures_are_counted(fixhead, folder, tmp_path):
    write(folder / "train" / "cat" / "grey.png", (40, 9), "L")
    sheet = tmp_path / "sheet.png"
    answer = fixhead("data", "check", folder, "--sheet", sheet, "--json")
    found = answer.json

    assert answer.code == 0 and found["ok"] and found["sheet"] == str(sheet)
    assert found["parts"] == {"train": {"cat": 13, "dog": 12}, "validation": {"cat": 2, "dog": 2}}
    assert found["formats"] == {"PNG": 15, "JPEG": 14} and found["modes"] == {"RGB": 28, "L": 1}
    assert found["sizes"] == {"width": [20, 20, 40], "height": [9, 16, 16]}
    assert Image.open(sheet).size[0] > 300
    assert "No problems." in fixhead("data", "check", folder).out


def test_all_problems_are_reported_in_one_go(fixhead, folder):
    (folder / "train" / "cat" / "broken.png").write_bytes(b"x")
    (folder / "train" / "dog" / "empty.jpg").touch()
    write(folder / "train" / "dog" / "tiny.png", (20, 5))
    (folder / "train" / "dog" / "Thumbs.db").touch()
    (folder / "train" / "bird").mkdir()
    write(folder / "val" / "fish" / "0.png")
    (folder / "val" / "cat" / "copy.png").write_bytes((folder / "train" / "cat" / "0.png").read_bytes())
    (folder / "train" / "dog" / "copy.png").write_bytes((folder / "train" / "cat" / "1.png").read_bytes())
    for number in range(3):
        write(folder / "train" / "ant" / f"{number}.png")
        write(folder / "val" / "ant" / f"{number}.png")
    answer = fixhead("data", "check", folder, "--json")
    found = json.loads(answer.out)

    assert answer.code == 1 and not found["ok"] and len(found["problems"]) == 2
    assert "only validation has fish" in found["problems"][0] and "3 of 39 files cannot be used" in found["problems"][1]
    assert [reason for _, reason in sorted(found["broken"].items())] == [
        "is not a readable picture", "is empty", "has 20x5 pixels; each side needs at least 8"]
    assert len(found["duplicates"]) == 2
    assert found["warnings"] == [
        "1 class has fewer than 10 pictures in train: ant (3).",
        "1 picture is in more than one split, so what is measured was trained on.",
        "1 picture is in more than one class of a split."]
    assert sorted(name.rpartition("/")[2] for name in found["passed_over"]) == ["Thumbs.db", "bird"]
    text = fixhead("data", "check", folder)
    for said in ("Problem: ", "broken.png is not a readable picture", "Note: 1 class has", " = ", "Skipped: "):
        assert said in text.out
    assert "cannot be trained on as it is: 2 problems. " not in text.out and "2 problems" in text.err


def test_a_folder_is_accepted_after_fixing_what_was_listed(fixhead, folder):
    (folder / "train" / "cat" / "broken.png").write_bytes(b"x")
    answer = fixhead("data", "check", folder)
    assert answer.code == 1 and "Fix what is listed, and check it again." in answer.err
    (folder / "train" / "cat" / "broken.png").unlink()

    assert fixhead("data", "check", folder).code == 0


def flat_folder(root, count=12):
    for name in ("cat", "dog"):
        for number in range(count):
            write(root / name / f"{number}.png")
    return root


def test_copies_in_a_class_are_named_where_training_holds_pictures_out(folder, tmp_path):
    flat = flat_folder(tmp_path / "flat")
    for root in (folder / "train", flat):
        for number in (1, 2):
            (root / "cat" / f"{number}.png").write_bytes((root / "cat" / "0.png").read_bytes())
    said = ["1 picture is more than once in a class: one copy may be held out for testing or validation, and another "
            "trained on."]

    assert check_folder(str(flat))[0].warnings == said and len(check_folder(str(flat))[0].duplicates[0]) == 3
    assert check_folder(str(folder))[0].warnings == said  # one in five is held out for testing
    for name in ("cat", "dog"):
        write(folder / "test" / name / "0.png")
    assert check_folder(str(folder))[0].warnings == []  # all parts are given
    rows = "".join(f"{name}/{number}.png,{name}\n" for name in ("cat", "dog") for number in (3, 4, 5, 5))
    (flat / "l.csv").write_text(f"path,label\n{rows}")
    assert len(check_folder(str(flat / "l.csv"))[0].duplicates) == 2


def test_pictures_without_a_known_range_or_of_one_level_are_named(tmp_path):
    flat = flat_folder(tmp_path / "flat")
    Image.fromarray(np.full((16, 20), 0.5, np.float32)).save(flat / "cat" / "float.tif")
    Image.fromarray(DRAW.integers(0, 4096, (16, 20)).astype(np.uint16)).save(flat / "dog" / "twelve bits.tif")
    report, _ = check_folder(str(flat))

    assert "has pixels of 32 bits (floats, mode F)" in report.broken[str(flat / "cat" / "float.tif")]
    assert report.warnings == [f"1 picture has nearly one level of grey, such as {flat / 'dog' / 'twelve bits.tif'}. "
                               "Files of 16 bits with fewer bits in them become black: convert them to 8 bits."]


def test_a_class_without_usable_pictures_is_a_problem(tmp_path):
    flat = flat_folder(tmp_path / "flat")
    for file in (flat / "cat").iterdir():
        file.write_bytes(b"no picture")
    report, _ = check_folder(str(flat))

    assert len(report.problems) == 2 and "has cat (0) with too few pictures that can be used" in report.problems[1]
