"""Every hint of `fixhead data build`: produced in its situation on a small tree of random pictures, and followed."""
import dataclasses
import json
import re
import shlex
import shutil

import numpy as np
import pytest
from hints import check_way_out, hint_of, leads_out
from open_images_tree import image_id, picture, write_tree
from PIL import Image

from fixhead_cli import building
from keras_fixhead.data import Dataset, Split
from keras_fixhead.data.label_names import STL10
from keras_fixhead.data.open_images import class_maps

BOXES, NAMES = "validation-annotations-bbox.csv", "class-descriptions-boxable.csv"
CLASSES = ("airplane", "bird", "car")
CSV = "Use the CSV files of Open Images V4 or later, with their header."

# what is damaged, the hint, and what repairs it, given the intact folder
DAMAGE = [
    (lambda tree: (tree / NAMES).write_text("/m/0cmf2,Aeroplane\n"), f"Use {NAMES} of Open Images V4 or later.", NAMES),
    (lambda tree: (tree / BOXES).write_text("ImageID,XMin\n"), CSV, BOXES),
    (lambda tree: (tree / BOXES).write_text((tree / BOXES).read_text()[:-20]), "Copy the file again.", BOXES),
    (lambda tree: (tree / BOXES).unlink(), "Expected the CSV files of Open Images V4 there, or in annotations, and the "
     "pictures in validation.", BOXES, f"annotations/{BOXES}"),
    (lambda tree: (tree / "validation").rename(tree / "gone"), "/IMAGE_ID.jpg, or images/validation/IMAGE_ID.jpg.",
     "validation", "images/validation"),
]


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """A tree with three pictures of each of three classes."""
    with pytest.MonkeyPatch.context() as patched:
        _with_three_classes(patched)
        write_tree(folder := tmp_path_factory.mktemp("open images"), each=3, splits=("validation",))
    return folder


def _with_three_classes(patched):
    wanted = class_maps.gathered_set("stl_gen")
    few = dataclasses.replace(wanted, classes={name: wanted.classes[name] for name in CLASSES})
    for module in ("class_maps", "building"):
        patched.setattr(f"keras_fixhead.data.open_images.{module}.gathered_set", lambda name: few)
    patched.setattr("open_images_tree.gathered_set", lambda name: few)


@pytest.fixture
def build(fixhead, tmp_path, intact, monkeypatch):
    """Returns a function that calls `fixhead data build` on a copy of the tree, `tree`."""
    _with_three_classes(monkeypatch)
    split = Split(np.zeros((2, 96, 96, 3), np.uint8), np.zeros(2, np.int32))
    data = Dataset("stl10", split, split.take(np.arange(0)), split, STL10, np.zeros(3), np.ones(3))
    monkeypatch.setattr(building, "training_set", lambda name, data_dir: data)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(intact, tmp_path / "tree")

    def call(out="out", *options, gathered="stl_gen"):
        shutil.rmtree(out, ignore_errors=True)
        return fixhead("data", "build", gathered, "tree", out, "--per-class", "2", "--split", "validation", *options,
                       "--quiet")

    return call


def copy(source, target):
    target.parent.mkdir(exist_ok=True)
    (shutil.copytree if source.is_dir() else shutil.copy)(source, target)


@leads_out("Use ... of Open Images V4 or later.", CSV, "Copy the file again.", "Expected .../IMAGE_ID.jpg, or images/",
           "Expected the CSV files of Open Images V4 there, or in annotations, and the pictures in .......")
@pytest.mark.parametrize("damage, hint, repairs", [(*each[:2], each[2:]) for each in DAMAGE], ids=range(len(DAMAGE)))
def test_files_are_put_where_the_hint_says(tmp_path, intact, build, damage, hint, repairs):
    damage(tmp_path / "tree")
    for number, place in enumerate(repairs):
        assert hint in hint_of(build())
        source = intact / place.split("/")[-1]
        copy(source, tmp_path / "tree" / place)
        assert build(f"out{number}").code == 0
        (shutil.rmtree if source.is_dir() else type(source).unlink)(tmp_path / "tree" / place)


def test_the_boxes_of_another_split_are_used(fixhead, tmp_path, build):
    (tmp_path / "tree" / BOXES).rename(tmp_path / "tree" / BOXES.replace("validation", "train"))
    (tmp_path / "tree" / "validation").rename(tmp_path / "tree" / "train")
    option = re.search("; or use what is there: (.*)[.]", hint_of(build()))[1]
    assert fixhead(*shlex.split(f"data build stl_gen tree out --quiet --per-class 2 {option}")).code == 0


@leads_out("Add pictures or --split train; or take fewer: ...--leave-out CLASS.", "Its classes: ....",
           "Leave fewer out.", "Give a new folder, or remove it first.")
def test_fewer_or_more_pictures_are_taken(fixhead, tmp_path, build, intact):
    def asked(options):
        return fixhead(*shlex.split(f"data build stl_gen tree out --quiet --split validation {options}"))

    def way_out(wrong, hint, right):
        check_way_out(lambda *words: asked(shlex.join(words)), wrong, hint, right)
        shutil.rmtree("out")

    (tmp_path / "tree" / "validation" / f"{image_id(0)}.jpg").write_bytes(b"no picture")
    few = "Add pictures or --split train; or take fewer: --per-class 2, --leave-out CLASS."
    way_out("--per-class 3", few, "--per-class 2")
    way_out("--per-class 3", few, "--per-class 3 --leave-out airplane")
    classes = hint_of(asked("--per-class 2 --leave-out plane")).removeprefix("Its classes: ").removesuffix(".")
    way_out("--per-class 2 --leave-out plane", "Its classes: ", f"--per-class 2 --leave-out {classes.split(', ')[0]}")
    all_out = " ".join(f"--leave-out {name}" for name in CLASSES)
    way_out(f"--per-class 2 {all_out}", "Leave fewer out.", "--per-class 2 --leave-out car")

    (tmp_path / "tree" / "train").mkdir()
    for number in range(3):
        Image.fromarray(picture(100 + number)).save(tmp_path / "tree" / "train" / f"{image_id(number)}.jpg")
    shutil.copy(intact / BOXES, tmp_path / "tree" / BOXES.replace("validation", "train"))
    way_out("--per-class 3", few, "--per-class 3 --split train")
    shutil.copy(intact / "validation" / f"{image_id(0)}.jpg", tmp_path / "tree" / "validation")
    assert asked("--per-class 3").code == 0

    assert hint_of(asked("--per-class 3")) == "Give a new folder, or remove it first."
    assert fixhead(*shlex.split("data build stl_gen tree new --quiet --split validation --per-class 3")).code == 0
    shutil.rmtree("out")
    assert asked("--per-class 3").code == 0


@leads_out("Build that set: fixhead data build ... FOLDER OUT --manifest ...", "Copy it again.",
           "Use the same pictures, or build the set again.", "Give the ... that fixhead data build wrote.")
def test_a_set_is_built_again_from_its_own_manifest_and_the_same_pictures(fixhead, tmp_path, build, intact):
    assert build("my set").code == 0
    shutil.copytree("my set", "kept")
    manifest = tmp_path / "my set" / "manifest.json"

    def again(gathered="stl_gen"):
        shutil.rmtree("again", ignore_errors=True)
        return fixhead("data", "build", gathered, "tree", "again", "--manifest", manifest, "--quiet")

    command = hint_of(again("cifar100_gen")).partition("fixhead ")[2]
    assert fixhead(*shlex.split(command.replace("FOLDER", "tree").replace("OUT", "again"))).code == 0

    for wrong, hint in ((json.dumps({**json.loads(manifest.read_text()), "digest": "0"}), "Copy it again."),
                        ('{"schema": 1}', "Give the manifest.json that fixhead data build wrote.")):
        manifest.write_text(wrong)
        assert hint_of(again()) == hint
        shutil.copy("kept/manifest.json", manifest)
        assert again().code == 0

    used = f"{json.loads(manifest.read_text())['images'][0]['image']}.jpg"
    Image.fromarray(picture(999)).save(tmp_path / "tree" / "validation" / used)
    assert hint_of(again()) == "Use the same pictures, or build the set again."
    assert build("anew").code == 0
    shutil.copy(intact / "validation" / used, tmp_path / "tree" / "validation")
    assert again().code == 0
