"""Every hint about folders and lists of pictures: produced in its situation, and followed."""
import re
import shlex
import shutil
import unicodedata

import numpy as np
import pytest
from hints import check_way_out, leads_out, refused
from PIL import Image, features

from keras_fixhead.data import load_dataset, pixel_cache
from keras_fixhead.data.outside import check_measurable
from keras_fixhead.data.pictures import KNOWN, decode_picture
from keras_fixhead.data.pixels import matrices, transform

PETS = "cat/0 cat/1 dog/0 dog/1"
MOVED = "For splits, move the other folders elsewhere. For classes, rename them, such as train to train-class."
SAME = "Give every split the same class folders; they may be empty, except in train."
FEW = "Add pictures, or move such classes elsewhere."
EXPECTED = "Expected FOLDER/CLASS/PICTURE, or FOLDER/train/CLASS/PICTURE and FOLDER/test/...."
TRAIN = "train/cat/0 train/cat/1 train/dog/0 train/dog/1"

# the pictures of a folder, the hint, and those of folders that follow it; a name that ends in / is an empty folder
FOLDERS = [
    (f"{TRAIN} owl/0 owl/1", MOVED, TRAIN, f"{TRAIN.replace('train', 'train-class')} owl/0 owl/1"),
    (f"{TRAIN} training/cat/0", "Leave one folder for each of train, validation and test.", TRAIN),
    (f"{TRAIN} test/cat/0", SAME, f"{TRAIN} test/cat/0 test/dog/"),
    (f"{TRAIN} test/cat/0 test/owl/0", SAME, f"{TRAIN} train/owl/0 train/owl/1 test/cat/0 test/dog/ test/owl/0"),
    (f"{PETS} owl/0", FEW, f"{PETS} owl/0 owl/1", PETS),
    ("cat\nA/0 cat\nA/1 dog/0 dog/1", "Rename them, without line breaks.", PETS),
    ("cat/0 cat/1", EXPECTED, PETS, f"{TRAIN} test/cat/0 test/dog/0"),
    ("0 1 2", EXPECTED, PETS),
    (f"{PETS} bären/0 {unicodedata.normalize('NFD', 'bären')}/1", "Put their pictures into one folder.",
     f"{PETS} bären/0 bären/1"),
]

COLUMNS = "Its first line is path,label or path,label,split; in JSON lines, these are the keys."
JSON_LINE = 'Such as {"path": "a.jpg", "label": "cat"}.'
LABEL = "Every picture needs a path and a label, and a split if others have one: "
ROWS = "cat/0.png,cat\ncat/1.png,cat\ndog/0.png,dog\ndog/1.png,dog\n"
SPLIT = ROWS.replace("\n", ",train\n")
LINES = "".join(f'{{"path": "{row.split(",")[0]}", "label": "{row.split(",")[1]}"}}\n' for row in ROWS.split())


# the name and text of a list, the hint, and texts that follow it
LISTS = [
    ("list.csv", "path,label\n", COLUMNS, f"path,label\n{ROWS}", f"path,label,split\n{SPLIT}"),
    ("list.csv", ROWS, COLUMNS, f"path,label\n{ROWS}"),
    ("list.jsonl", LINES.replace("label", "what"), COLUMNS, LINES),
    ("list.jsonl", f"{LINES}cat/0.png,cat\n", JSON_LINE, LINES),
    ("list.jsonl", f"{LINES}[1]\n", JSON_LINE, LINES),
    ("list.csv", f"path,label\n{ROWS}dog/2.png,\n", LABEL, f"path,label\n{ROWS}dog/1.png,dog\n"),
    ("list.csv", f"path,label,split\n{SPLIT}cat/0.png,cat,\n", LABEL,
     f"path,label,split\n{SPLIT}cat/0.png,cat,train\n"),
    ("list.csv", f"path,label,split\n{SPLIT.replace('train', 'test')}", "Leave the splits out, or name some train.",
     f"path,label\n{ROWS}", f"path,label,split\n{SPLIT}cat/0.png,cat,test\n"),
]


def pictures(folder, names, side=8):
    """Writes small pictures with these names, and returns the path of their folder."""
    for name in names.split(" "):
        path = folder / f"{name}.png"
        (path.parent if not name.endswith("/") else folder / name).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            Image.new("RGB", (side, side)).save(path)
    return str(folder)


@leads_out(*(hint for _, hint, *_ in FOLDERS if hint != MOVED), "For splits, move the other folders elsewhere. For c")
@pytest.mark.parametrize("wrong, hint, ways_out", [(wrong, hint, ways) for wrong, hint, *ways in FOLDERS],
                         ids=range(len(FOLDERS)))
def test_a_folder_is_laid_out_as_the_hint_says(tmp_path, wrong, hint, ways_out):
    with refused(hint):
        load_dataset(pictures(tmp_path / "wrong", wrong))
    for number, right in enumerate(ways_out):
        load_dataset(pictures(tmp_path / str(number), right))


@leads_out(*(hint for _, _, hint, *_ in LISTS))
@pytest.mark.parametrize("name, wrong, hint, ways_out", [(*each[:3], each[3:]) for each in LISTS],
                         ids=range(len(LISTS)))
def test_a_list_is_written_as_the_hint_says(tmp_path, name, wrong, hint, ways_out):
    pictures(tmp_path, PETS)
    (tmp_path / name).write_text(wrong)
    with refused(hint):
        load_dataset(str(tmp_path / name))
    for number, text in enumerate(ways_out):
        (tmp_path / f"{number}{name}").write_text(text)
        load_dataset(str(tmp_path / f"{number}{name}"))


@leads_out("Read them again.")
@pytest.mark.parametrize("added", ["cat/2", "owl/0 owl/1"])
def test_pictures_that_are_added_later_are_read(tmp_path, added):
    load_dataset(folder := pictures(tmp_path, PETS))
    pictures(tmp_path, added)
    with refused("Read them again."):
        load_dataset(folder)
    data = load_dataset(folder)
    assert len(data.train) + len(data.validation) + len(data.test) == 4 + len(added.split())


@leads_out("Expected FOLDER/CLASS/PICTURE, with the names of the classes.")
def test_a_folder_to_be_measured_on_has_folders_of_classes(tmp_path):
    flat, named = pictures(tmp_path / "flat", "0 1"), pictures(tmp_path / "named", "cat/0")
    with refused("Expected FOLDER/CLASS/PICTURE, with the names of the classes."):
        check_measurable(flat)
    check_measurable(named)


@leads_out("Give a data set's name (fixhead list datasets), or a folder with one subfolder per class.",
           "Add ..., or give one of its folders as the data set.")
def test_a_folder_that_is_missing_is_given_or_made(fixhead, tmp_path):
    with refused("Give a data set's name (fixhead list datasets), or a folder with one subfolder per class."):
        load_dataset(str(tmp_path / "none"))
    assert "digits" in fixhead("list", "datasets").out
    load_dataset("digits")
    load_dataset(pictures(tmp_path / "pets", PETS))

    folder = pictures(tmp_path / "parts", TRAIN.replace("train", "test") + " val/cat/0 val/dog/0")
    with refused("or give one of its folders as the data set.") as caught:
        load_dataset(folder)
    load_dataset(f"{folder}/test")
    train = re.match("Add (.*), or", caught.value.hint)[1]
    shutil.copytree(f"{folder}/test", train)
    load_dataset(folder)


# Pictures that cannot be used


@leads_out("...; or give --image-size.", "Fix or remove it, or give --image-size and --skip-broken.",
           "Give --image-size, the size that pictures get: 64 for squares, or 96x64.")
def test_pictures_of_another_size_or_damaged_ones_are_fitted_or_skipped(fixhead, tmp_path):
    def pack(place, content, *options):
        folder = pictures(tmp_path / content, f"{PETS} cat/2")
        file = tmp_path / content / place
        if "x" in content:
            Image.new("RGB", tuple(map(int, content.split("x")))).save(file)
        else:
            file.write_text(content)
        packed = [f"data pack {folder} {tmp_path}/out --name {content}{len(each)} {each}" for each in ("", *options)]
        return [(packed[0], each) for each in packed[1:]]

    for content in ("12x12", "damaged"):
        for wrong, right in pack("cat/1.png", content, "--skip-broken", "--image-size 8 --skip-broken"):
            check_way_out(fixhead, wrong, "remove them, or skip them with --skip-broken; or give --image-size.", right)
    hint = "Give --image-size, the size that pictures get: 64 for squares, or 96x64."
    for wrong, right in pack("cat/0.png", "12x8", "--image-size 64", "--image-size 96x64"):
        check_way_out(fixhead, wrong, hint, right)
    hint = "Fix or remove it, or give --image-size and --skip-broken."
    for wrong, right in pack("cat/0.png", "broken", "--image-size 8 --skip-broken"):
        check_way_out(fixhead, wrong, hint, right)
    (tmp_path / "broken" / "cat" / "0.png").unlink()
    assert fixhead("data", "pack", tmp_path / "broken", tmp_path / "fixed").code == 0


@leads_out("Add pictures, or move such classes elsewhere.")
def test_many_damaged_pictures_are_listed_by_the_command_of_the_hint(fixhead, tmp_path):
    folder = pictures(tmp_path / "my pets", PETS)
    for number in range(2, 14):
        (tmp_path / "my pets" / "cat" / f"{number}.png").write_text("damaged")
    with refused(". To list all of them: fixhead data check ") as caught:
        load_dataset(folder, image_size=8)
    answer = fixhead(*shlex.split(caught.value.hint.partition("fixhead ")[2]))
    assert len(answer.json["broken"]) == 12

    for each in (0, 1):
        (tmp_path / "my pets" / "cat" / f"{each}.png").write_text("damaged")
    with refused("Add pictures, or move such classes elsewhere."):
        load_dataset(folder, image_size=8, skip_broken=True)
    pictures(tmp_path / "my pets", "cat/a cat/b")
    load_dataset(folder, image_size=8, skip_broken=True)


@leads_out("Such as --image-size 64 or --image-size 96x64.")
def test_a_size_is_written_as_in_the_hint(fixhead, tmp_path):
    show = f"data show '{pictures(tmp_path / 'pets', PETS)}' --out {tmp_path}/sheet.png --image-size"
    for size in ("64", "96x64"):
        check_way_out(fixhead, f"{show} 96*64", f"--image-size {size}", f"{show} {size}")


@leads_out(KNOWN)
def test_a_picture_of_each_format_of_the_hint_is_read(tmp_path):
    with refused(KNOWN):
        decode_picture(b"no picture", "a.png")
    names = [name for name in re.findall("[A-Z][A-Za-z]*", KNOWN) if name not in ("Give", "AVIF")]
    for name in [*names, *["AVIF"] * features.check("avif")]:
        Image.new("RGB", (8, 8)).save(tmp_path / "picture", name)
        assert decode_picture((tmp_path / "picture").read_bytes(), "picture").shape == (8, 8, 3)


# Their pixels


@leads_out("Free some space, or switch the cache off: ...=off", "Remove it by hand, or switch the cache off: ...=off")
def test_pixels_are_kept_when_there_is_space_or_in_memory_without_the_cache(tmp_path, monkeypatch):
    folder = pictures(tmp_path / "pets", PETS)
    monkeypatch.setenv("FIXHEAD_CACHE_DIR", str(tmp_path / "cache"))

    def full(*arguments):
        raise OSError(28, "No space left on device")

    def switched_off(hint):
        name, value = hint.rpartition(" ")[2].split("=")
        with monkeypatch.context() as patched:
            patched.setenv(name, value)
            load_dataset(folder)

    with monkeypatch.context() as patched:
        patched.setattr(pixel_cache, "_write", full)
        with refused("Free some space, or switch the cache off: ") as caught:
            load_dataset(folder)
        switched_off(caught.value.hint)
    load_dataset(folder)

    (kept,) = pixel_cache.kept()
    (kept / "facts.json").write_text("{}")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", lambda path, **options: None)  # as if it belonged to somebody else
        with refused("Remove it by hand, or switch the cache off: ") as caught:
            load_dataset(folder)
        switched_off(caught.value.hint)
    shutil.rmtree(kept)
    load_dataset(folder)
    assert (kept / "facts.json").is_file()


@leads_out("Use a smaller --batch-size.")
def test_a_batch_of_too_many_pixels_is_made_smaller():
    images = np.broadcast_to(np.uint8(7), (2**31 // 18**2 + 1, 16, 16, 3))
    with refused("Use a smaller --batch-size."):
        transform(images, matrices())
    assert (transform(images[:2], matrices().repeat(2, axis=0)) == 7).all()
