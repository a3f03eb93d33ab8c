"""Sets gathered from Open Images, on a synthetic tree of its layout: random pictures, not Open Images itself."""
import hashlib
import json
import shutil

import numpy as np
import pytest
from open_images_tree import box, image_id, picture, write_table, write_tree
from PIL import Image

from keras_fixhead.data import Dataset, Split, load_dataset
from keras_fixhead.data.label_names import CIFAR100, STL10
from keras_fixhead.data.open_images import GatheringPlan, build_set, built_note, rebuild_set
from keras_fixhead.data.open_images.class_maps import gathered_set
from keras_fixhead.data.open_images.crops import chosen_boxes, cut, square_of
from keras_fixhead.data.open_images.tables import PICTURES, Box, read_boxes
from keras_fixhead.errors import ArgumentError, DataError

AIRPLANE, BIRD, DUCK = "/m/0cmf2", "/m/015p6", "/m/09ddx"


def training(images=None):
    images = np.zeros((2, 96, 96, 3), np.uint8) if images is None else images
    split = Split(images, np.zeros(len(images), np.int32))
    return Dataset("stl10", split, split.take(np.arange(0)), split, STL10, np.zeros(3), np.ones(3))


def build(folder, out, train=None, **plan):
    return build_set("stl_gen", folder, out, GatheringPlan(**{"per_class": 3, "splits": ("validation",), **plan}),
                     lambda: training(train))


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def tree(tmp_path):
    write_tree(tmp_path / "open-images", splits=("validation",))
    return tmp_path / "open-images"


def add(tree, rows, seeds=()):
    """Adds boxes, and pictures with these numbers."""
    path = tree / "validation-annotations-bbox.csv"
    with path.open("a", newline="") as file:
        for row in rows:
            file.write(",".join(row.values()) + "\r\n")
    for number in seeds:
        Image.fromarray(picture(number)).save(tree / "validation" / f"{image_id(number)}.jpg", quality=90)


@pytest.mark.parametrize("place", PICTURES)
def test_pictures_are_found_in_every_place_that_has_any(tree, tmp_path, place):
    """Folders with tables of a split, or without pictures, are not taken for that of its pictures."""
    expected = build(tree, tmp_path / "expected")
    (tree / "validation").rename(tmp_path / "pictures")
    for each in ("validation", "images/validation"):
        (tree / each).mkdir(parents=True)
    shutil.copytree(tmp_path / "pictures", tree / place.format(split="validation"), dirs_exist_ok=True)

    assert build(tree, tmp_path / "out")["images"] == expected["images"]


def test_a_set_has_equal_classes_and_is_read_like_any_folder(tree, tmp_path):
    content = build(tree, tmp_path / "out")
    data = load_dataset(str(tmp_path / "out"), image_size=96)

    assert sorted(data.label_names) == sorted(STL10)
    found = np.concatenate([data.train.labels, data.validation.labels, data.test.labels])
    assert np.bincount(found).tolist() == [3] * 10 and len(content["images"]) == 30
    assert "not the paper's images" in built_note(str(tmp_path / "out"))
    assert content["sources"].keys() == {"class-descriptions-boxable.csv", "validation-annotations-bbox.csv"}


def test_an_image_is_the_square_of_its_box_resized(tree, tmp_path):
    content = build(tree, tmp_path / "out")
    entry = content["images"][0]
    # the box is 0.6 x 200 = 120 wide and 0.75 x 160 = 120 high, from (20, 16)
    assert tuple(entry["square"]) == (20, 16, 120)
    source = np.asarray(Image.open(tree / "validation" / f"{entry['image']}.jpg"))
    expected = np.asarray(Image.fromarray(source[16:136, 20:140]).resize((96, 96), Image.Resampling.BICUBIC))
    path = tmp_path / "out" / entry["label"] / f"{entry['image']}.bmp"

    assert np.abs(np.asarray(Image.open(path)).astype(int) - expected).max() <= 1  # the order of the two directions
    assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["file"]


def test_the_manifest_makes_the_same_bytes_again_without_tables_and_training_set(tree, tmp_path):
    build(tree, tmp_path / "out", seed=3)
    for table in tree.glob("*.csv"):
        table.unlink()
    rebuild_set("stl_gen", tree, tmp_path / "again", tmp_path / "out" / "manifest.json")

    assert contents(tmp_path / "again") == contents(tmp_path / "out")


def test_the_choice_depends_on_the_seed_but_not_on_the_order_of_rows_or_on_pictures_that_are_not_there(tree, tmp_path):
    first = build(tree, tmp_path / "first")
    path = tree / "validation-annotations-bbox.csv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *rows[::-1]]) + "\n")
    again = build(tree, tmp_path / "again")
    other = build(tree, tmp_path / "other", seed=1)

    assert again["digest"] == first["digest"] != other["digest"]
    gone = first["images"][0]
    (tree / "validation" / f"{gone['image']}.jpg").unlink()
    without = build(tree, tmp_path / "without")
    assert without["missing_pictures"] == [gone["image"]]
    assert len({each["image"] for each in without["images"]} & {each["image"] for each in first["images"]}) == 29


def test_near_duplicates_of_training_images_and_of_each_other_are_left_out(tree, tmp_path):
    first = build(tree, tmp_path / "first")
    one = first["images"][0]
    crop = np.asarray(Image.open(tmp_path / "first" / one["label"] / f"{one['image']}.bmp"))
    known = np.stack([(crop[:, ::-1] * 0.8 + 20).astype(np.uint8)])  # mirrored, and darker
    second = build(tree, tmp_path / "second", known)
    # a copy of each airplane that is left, under another id
    left = [image_id(number) for number in range(5) if image_id(number) != one["image"]]
    add(tree, [box(image_id(900 + k), AIRPLANE) for k in range(4)])
    for k, name in enumerate(left):
        source = Image.open(tree / "validation" / f"{name}.jpg")
        source.save(tree / "validation" / f"{image_id(900 + k)}.jpg", quality=70)
    third = build(tree, tmp_path / "third", known, per_class=4)

    assert one["image"] not in {each["image"] for each in second["images"]}
    assert second["left_out"] == {"near-duplicate of a training image": 1}
    assert len([each for each in third["images"] if each["label"] == "airplane"]) == 4
    assert third["left_out"]["near-duplicate of an image of this set"] >= 1


BOXES = [
    ({"IsGroupOf": "1"}, "group"), ({"IsDepiction": "1"}, "depiction"), ({"IsInside": "1"}, "inside"),
    ({"IsTruncated": "1"}, "truncated"), ({"IsOccluded": "1"}, None), ({"IsGroupOf": "-1"}, None),
]


@pytest.mark.parametrize("flags, reason", BOXES)
def test_boxes_are_left_out_by_their_flags(tmp_path, flags, reason):
    write_table(tmp_path / "boxes.csv", [box(image_id(0), BIRD, **flags), box(image_id(1), "/m/unknown")])
    found, left_out = chosen_boxes(read_boxes(tmp_path / "boxes.csv", "test", gathered_set("stl_gen").class_of),
                                   set(), set())

    assert left_out == ({reason: 1} if reason else {}) and list(found) == ([] if reason else ["bird"])


def test_columns_are_found_by_name(tmp_path):
    row = box(image_id(0), DUCK, (0.1, 0.4, 0.2, 0.9))
    write_table(tmp_path / "boxes.csv", [row | {"XClick1X": "1"}], [*reversed(row), "XClick1X"])
    (found,) = read_boxes(tmp_path / "boxes.csv", "train", gathered_set("stl_gen").class_of)

    assert found == Box("train", image_id(0), "bird", 0.1, 0.4, 0.2, 0.9)


def test_boxes_are_left_out_for_what_people_said_for_rotation_and_for_overlap():
    def cat(image, *sides):
        return Box("test", image, "cat", *(sides or (0.0, 0.5, 0.0, 0.5)))

    boxes = [cat("absent"), cat("turned"), cat("hidden"), Box("test", "hidden", "dog", 0.0, 0.5, 0.1, 0.6, "group"),
             cat("two"), cat("two", 0.0, 0.9, 0.0, 0.9), Box("test", "two", "dog", 0.8, 1.0, 0.8, 1.0)]
    found, left_out = chosen_boxes(boxes, {("absent", "cat")}, {"turned"})

    assert found == {"cat": [cat("two", 0.0, 0.9, 0.0, 0.9)], "dog": [boxes[-1]]}
    assert left_out == {"another box of the picture is larger": 1, "group": 1, "overlaps another class": 1,
                        "people said that the class is absent": 1, "the picture has to be turned": 1}


@pytest.mark.parametrize("sides, width, height, expected", [
    ((0.25, 0.75, 0.25, 0.75), 400, 200, (100, 0, 200)),  # 200 x 100, in the middle: the whole height
    ((0.0, 0.5, 0.0, 1.0), 100, 200, (0, 50, 100)),  # 50 x 200: half of it would be cut off
    ((0.9, 1.0, 0.0, 0.5), 400, 400, (200, 0, 200)),  # at the edge: moved into the picture
    ((0.0, 0.2, 0.0, 0.2), 100, 100, None),  # 20 pixels
])
def test_the_square_lies_within_the_picture_around_the_box(sides, width, height, expected):
    found = square_of(Box("test", "a", "cat", *sides), width, height, 32)
    if expected is None or sides == (0.0, 0.5, 0.0, 1.0):
        assert isinstance(found, str)
        return
    assert (found.left, found.top, found.side) == expected
    assert cut(np.zeros((height, width, 3), np.uint8), found, 32).shape == (32, 32, 3)


def test_the_class_maps_have_the_classes_of_their_training_sets():
    stl, cifar = gathered_set("stl_gen"), gathered_set("cifar100_gen")

    assert tuple(stl.classes) == STL10 and stl.per_class * len(stl.classes) == 2_000
    assert sorted([*cifar.classes, *cifar.without]) == list(CIFAR100)
    assert (len(cifar.classes), cifar.per_class * len(cifar.classes)) == (75, 6_000)
    for wanted in (stl, cifar):
        mids = [mid for found in wanted.classes.values() for mid in found.values()]
        assert len(set(mids)) == len(mids) and all(mid.startswith("/m/0") for mid in mids)


def test_too_few_pictures_stop_it_with_the_way_out(tree, tmp_path):
    (tree / "validation" / f"{image_id(0)}.jpg").write_bytes(b"no picture")
    few = r"fewer than 5 usable images of 1 of the 10 classes of stl_gen: airplane \(4\)"
    with pytest.raises(DataError, match=few) as error:
        build(tree, tmp_path / "out", per_class=5)
    assert "--per-class 4" in error.value.hint and not (tmp_path / "out").exists()
    content = build(tree, tmp_path / "out", per_class=5, leave_out=("airplane",))
    assert "airplane" not in content["classes"] and content["left_out_classes"] == ["airplane"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["open-images", "out"]


@pytest.mark.parametrize("break_it, message", [
    (lambda tree: (tree / "validation-annotations-bbox.csv").unlink(), "has no validation-annotations-bbox.csv"),
    (lambda tree: (tree / "validation-annotations-bbox.csv").write_text("ImageID,XMin\n"), "has no column LabelName"),
    (lambda tree: (tree / "class-descriptions-boxable.csv").write_text("/m/0cmf2,Aeroplane\n"),
     "/m/0cmf2 is Aeroplane, not Airplane"),
    (lambda tree: (tree / "validation").rename(tree / "elsewhere"), "has no folder of the pictures of validation"),
])
def test_a_folder_of_another_layout_is_refused_in_one_line(tree, tmp_path, break_it, message):
    break_it(tree)
    with pytest.raises(DataError, match=message):
        build(tree, tmp_path / "out")


def test_a_rebuild_names_the_pictures_that_are_missing_or_others(tree, tmp_path):
    content = build(tree, tmp_path / "out")
    manifest = tmp_path / "out" / "manifest.json"
    missing, other = (tree / "validation" / f"{each['image']}.jpg" for each in content["images"][:2])
    missing.unlink()
    Image.fromarray(picture(999)).save(other)
    with pytest.raises(DataError, match=rf"1 missing: {missing}\. 1 another file than the manifest's: {other}"):
        rebuild_set("stl_gen", tree, tmp_path / "again", manifest)
    with pytest.raises(ArgumentError, match="is the manifest of stl_gen, not of cifar100_gen"):
        rebuild_set("cifar100_gen", tree, tmp_path / "again", manifest)
    changed = json.loads(manifest.read_text())
    changed["images"][2]["square"][0] += 1
    manifest.write_text(json.dumps(changed))
    with pytest.raises(DataError, match="does not have the digest of its own images"):
        rebuild_set("stl_gen", tree, tmp_path / "again", manifest)


def test_an_existing_folder_is_not_overwritten(tree, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("")
    with pytest.raises(ArgumentError, match="already exists"):
        build(tree, tmp_path / "out")
