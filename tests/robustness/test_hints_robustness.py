"""Hints of corruptions and of measuring them: each is printed in its situation, and leads out."""
import importlib
import re
import shutil
import sys

import numpy as np
import pytest
from hints import follow, hint_of, leads_out, refused
from PIL import Image

from keras_fixhead.data import Split, load_dataset
from keras_fixhead.errors import ArgumentError, DataError
from keras_fixhead.robustness import SUITES, corrupt, corrupted_chunks, measure_robustness
from keras_fixhead.robustness.corrupting import native_suite
from keras_fixhead.robustness.imgaug_engine import augmenter_suite, custom_suite, imgaug_suite
from keras_fixhead.robustness.published import published_names, published_suite
from keras_fixhead.robustness.suites import parse_severities
from keras_fixhead.robustness.writing import write_corrupted

DRAW = np.random.default_rng(0)
SPLIT = Split(DRAW.integers(0, 256, (6, 16, 16, 3)).astype("uint8"), np.array([0, 0, 1, 1, 2, 2], np.int32))
NAMES, SHAPE = ("a", "b", "c"), (16, 16, 3)


def suite_of(folder):
    return published_suite(folder, SPLIT.labels, NAMES, SHAPE)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    write_corrupted(SPLIT, folder := tmp_path_factory.mktemp("made") / "set", corruptions=["contrast"])
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """A folder of corrupted images that may be damaged."""
    return shutil.copytree(made, tmp_path / "set")


@pytest.fixture
def pictures(tmp_path):
    """A folder of corrupted images in the layout of Tiny-ImageNet-C."""
    for severity in range(1, 6):
        for name in NAMES:
            (tmp_path / "P" / "fog" / str(severity) / name).mkdir(parents=True)
            Image.new("RGB", SHAPE[:2]).save(tmp_path / "P" / "fog" / str(severity) / name / "0.png")
    return tmp_path / "P"


# Arrays of images


@leads_out("Stack images of one size: np.stack(images)", "Add a batch axis to a single image: image[None]",
           "Leave them out if the images are consecutive.")
def test_images_are_corrupted_after_the_code_in_the_hints():
    images = list(SPLIT.images)
    for wrong, name in ((images, "images"), (images[0], "image")):
        with pytest.raises(ArgumentError) as caught:
            corrupt(wrong, "contrast", 1)
        code = caught.value.hint.split(": ")[1]
        assert corrupt(eval(code, {"np": np, name: wrong}), "contrast", 1).dtype == np.uint8

    with refused("Leave them out if the images are consecutive."):
        corrupt(SPLIT.images, "impulse_noise", 1, indices=np.arange(3))
    np.testing.assert_array_equal(corrupt(SPLIT.images, "impulse_noise", 1),
                                  corrupt(SPLIT.images, "impulse_noise", 1, indices=np.arange(6)))


@leads_out("Choose a data set with test images.",
           "Make them from the same images: corrupted_chunks(split.images[:limit]).")
def test_images_are_measured_after_the_code_in_the_hints():
    def measure(split, **options):
        return measure_robustness(lambda images: np.zeros(len(images), int), split, corruptions=["jpeg_compression"],
                                  severities=[1], **options)

    with refused("Choose a data set with test images."):
        measure(SPLIT.take(np.arange(0)))
    assert measure(SPLIT).n == 6
    with pytest.raises(ArgumentError) as caught:
        measure(SPLIT, limit=3, chunks=corrupted_chunks(SPLIT.images, corruptions=["jpeg_compression"],
                                                        severities=[1]))
    assert caught.value.hint == "Make them from the same images: corrupted_chunks(split.images[:limit])."
    assert measure(SPLIT, limit=3, chunks=corrupted_chunks(SPLIT.images[:3], corruptions=["jpeg_compression"],
                                                           severities=[1])).n == 3


@leads_out("--severities 1-5", "It has ....", "Take more of them: --limit N")
def test_severities_and_numbers_of_images_that_a_suite_has(folder):
    with pytest.raises(ArgumentError) as caught:
        parse_severities("0-3")
    assert parse_severities(caught.value.hint.removeprefix("--severities ")) == (1, 2, 3, 4, 5)

    suite = custom_suite("mine", lambda severity: None, severities=(1, 3))
    with pytest.raises(ArgumentError) as caught:
        suite.keys(severities=[2])
    assert suite.keys(severities=[int(each) for each in re.findall(r"\d", caught.value.hint)])

    np.save(folder / "labels.npy", np.tile([2, 2, 1, 1, 0, 0], 5).astype(np.int32))
    ordered = suite_of(folder)
    part = ordered.like(SPLIT.labels[:1])
    with refused("Take more of them: --limit N"):
        part.like(np.array([1, 2], np.int32))
    assert len(part.like(SPLIT.labels[:1]).labels) == 1 and len(ordered.like(SPLIT.labels).labels) == 6


# imgaug


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A user's module of augmenters."""
    (tmp_path / "mine.py").write_text("class Darker:\n    def seed_(self, seed): pass\n"
                                      "    def augment_image(self, image): return image // 2\n\n\n"
                                      "fog = Darker()\n\n\ndef rain(severity): return fog\n\n\nnumber = 3\n")
    yield tmp_path
    sys.modules.pop("mine", None)


@leads_out("Expected MODULE:NAME, such as mine:fog.",
           "It must be on PYTHONPATH: PYTHONPATH=. fixhead robustness ...",
           "Expected an imgaug augmenter, or a function from a severity to one.",
           "Give an object of it in a module of yours, such as fog = ", "Install what ")
def test_an_augmenter_is_found_by_module_and_name(module, monkeypatch):
    with pytest.raises(ArgumentError) as caught:
        augmenter_suite("fog")
    path = caught.value.hint.removesuffix(".").split()[-1]
    with pytest.raises(ArgumentError) as caught:
        augmenter_suite(path)
    assert caught.value.hint == "It must be on PYTHONPATH: PYTHONPATH=. fixhead robustness ..."
    monkeypatch.chdir(module)
    monkeypatch.syspath_prepend(".")  # as PYTHONPATH=. does
    assert augmenter_suite(path).name == "fog"

    with refused("Expected MODULE:NAME, such as mine:fog."):
        augmenter_suite("mine:nothing")
    with refused("Expected an imgaug augmenter, or a function from a severity to one."):
        augmenter_suite("mine:number")
    assert augmenter_suite("mine:rain").severities == (1, 2, 3, 4, 5)
    with refused("Give an object of it in a module of yours, such as fog = Darker(...), or a function from a severity "
                 "to one."):
        augmenter_suite("mine:Darker")  # fog and rain are these

    (module / "broken.py").write_text("import not_installed\nfrom mine import fog\n")
    with pytest.raises(ArgumentError, match="broken cannot be imported: No module named 'not_installed'") as caught:
        augmenter_suite("broken:fog")
    assert caught.value.hint == "Install what broken imports, or correct its import."
    (module / "not_installed.py").touch()
    importlib.invalidate_caches()
    assert augmenter_suite("broken:fog").name == "fog"


@leads_out("Expected uint8 of the same shape.", "Use --suite paper, paper-plain or imagenet-c, or --engine native.")
def test_augmenters_and_suites_that_imgaug_can_use(monkeypatch):
    class Augmenter:
        def __init__(self, change):
            self.augment_image = change

        def seed_(self, seed):
            pass

    for change in (lambda image: image / 2, lambda image: image[:2]):
        with refused("Expected uint8 of the same shape."):
            custom_suite("mine", lambda severity, change=change: Augmenter(change)).make(SPLIT.images, "mine", 1, 0, 0)
    assert custom_suite("mine", lambda severity: Augmenter(lambda image: image // 2)).make(
        SPLIT.images, "mine", 1, 0, 0).shape == SPLIT.images.shape

    with pytest.raises(ArgumentError) as caught:
        imgaug_suite("cifar-c")
    monkeypatch.setattr("keras_fixhead.robustness.imgaug_engine._library", lambda: None)
    for name in set(re.findall(r"[a-z-]+", caught.value.hint)) & set(SUITES):
        assert imgaug_suite(name).name == name
    assert native_suite("cifar-c").name == "cifar-c"


# Folders of corrupted images


@leads_out("Write such a folder: fixhead data corrupt DATASET DIR")
def test_a_folder_of_corrupted_images_is_written(fixhead, tmp_path, digits_run):
    (folder := tmp_path / "set").mkdir()
    hint = hint_of(fixhead("robustness", digits_run.path, "--suite", folder))
    follow(fixhead, f"{hint} --corruption contrast --quiet", DATASET="digits", DIR=folder)

    digits = load_dataset("digits")
    assert published_names(folder)[0] == ["contrast"]
    assert len(published_suite(folder, digits.test.labels, digits.label_names, digits.image_shape).labels) == 360


@leads_out("Give the data set that the files were made from: --dataset NAME; files made with --limit cannot be "
           "measured.", "Give the data set that the files were made from: --dataset NAME", "Expected ....",
           "Download or copy it again.")
def test_files_of_the_data_set_that_they_were_made_from_are_read(folder, made):
    for labels, hint in ((SPLIT.labels[:3], "--dataset NAME; files made with --limit cannot be measured."),
                         (SPLIT.labels[::-1] + 1, "Give the data set that the files were made from: --dataset NAME")):
        with refused(hint):
            published_suite(folder, labels, NAMES, SHAPE)
    for name in ("labels.npy", "contrast.npy"):
        (folder / name).write_bytes(b"damaged")
        with refused("Download or copy it again."):
            suite_of(folder)
        shutil.copy(made / name, folder / name)
        assert suite_of(folder).corruptions
    (folder / "labels.npy").unlink()
    with pytest.raises(DataError) as caught:
        suite_of(folder)
    assert caught.value.hint.startswith("Expected NAME.npy with a block of images per severity and labels.npy, or")
    shutil.copy(made / "labels.npy", folder / "labels.npy")
    assert len(suite_of(folder).labels) == 6


@leads_out("Expected the folders of the run's data set, such as Tiny-ImageNet-C's.", "Expected ....")
def test_folders_of_pictures_are_read_in_the_layout_of_the_hints(pictures):
    (extra := pictures / "fog" / "3" / "a" / "1.png").touch()
    with pytest.raises(DataError) as caught:
        suite_of(pictures)
    assert caught.value.hint.endswith("or folders NAME/SEVERITY/CLASS/.")
    extra.unlink()
    assert len(suite_of(pictures).labels) == 3

    with refused("Expected the folders of the run's data set, such as Tiny-ImageNet-C's."):
        published_suite(pictures, SPLIT.labels, ("a", "b"), SHAPE)
    assert len(published_suite(pictures, SPLIT.labels, NAMES, SHAPE).labels) == 3


@leads_out("Give a new folder.")
def test_a_new_folder_takes_other_images(made, folder, tmp_path):
    with refused("Give a new folder."):
        write_corrupted(SPLIT, folder, corruptions=["contrast"], seed=3)
    (folder / "made.json").unlink()
    with refused("Give a new folder."):
        write_corrupted(SPLIT, folder, corruptions=["contrast"])
    assert write_corrupted(SPLIT, tmp_path / "new", corruptions=["contrast"], seed=3)
