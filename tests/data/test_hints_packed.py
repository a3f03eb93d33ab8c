"""Every hint about packed sets: produced in its situation, and followed."""
import configparser
import dataclasses
import re
import shlex
import shutil

import pytest
from hints import ROOT, check_way_out, command_in, hint_of, leads_out, refused
from PIL import Image

from keras_fixhead.data import cache, load_dataset, packed_index
from keras_fixhead.data.packed import write_packed
from keras_fixhead.data.packed_index import again, index_bytes, read_index
from keras_fixhead.data.packing import verify_packed

AGAIN = "Copy {} again from where the set was packed, or pack it again: fixhead data pack DATASET OUT"


@pytest.fixture
def pets(tmp_path):
    """Returns a folder with two pictures of each of two classes."""
    for name in ("cat", "dog"):
        (tmp_path / "my pets" / name).mkdir(parents=True)
        for number in range(5):
            Image.new("RGB", (8, 8), (number * 40, 9, 9)).save(tmp_path / "my pets" / name / f"{number}.png")
    return tmp_path / "my pets"


@leads_out("Check it: fixhead data verify ...", "Write one: fixhead data pack DATASET ...")
def test_a_set_is_packed_where_there_is_none_and_verified_where_there_is_one(fixhead, tmp_path, pets):
    (packed := tmp_path / "all packed").mkdir()
    command = command_in(hint_of(fixhead("data", "verify", packed)), DATASET=shlex.quote(str(pets)))
    assert fixhead(*shlex.split(command)[1:], "--name", "mine").code == 0
    assert fixhead("data", "verify", packed).code == 0

    pack = ("data", "pack", pets, packed, "--name", "mine")
    hint = hint_of(fixhead(*pack))
    command, others = re.fullmatch(r"Check it: fixhead (.*)\. (To pack it again, remove it first\.)", hint).groups()
    assert others and fixhead(*shlex.split(command)).code == 0
    shutil.rmtree(shlex.split(command)[-1])
    assert fixhead(*pack).code == 0


@leads_out("Give it another name: --name NAME")
@pytest.mark.parametrize("name", ["cifar10", "my pets"])
def test_a_set_gets_another_name(fixhead, tmp_path, pets, name):
    folder = shutil.copytree(pets, tmp_path / "sub" / name)
    pack = shlex.join(["data", "pack", str(folder), str(tmp_path / "packed")])
    check_way_out(fixhead, pack, "Give it another name: --name NAME", f"{pack} --name mine")


@leads_out("Leave --image-size out, or pack the images again with --image-size ...",
           "Leave --fit out, or pack the images again with --fit ...")
@pytest.mark.parametrize("option", ["--image-size 16", "--image-size 12x16", "--fit pad"])
def test_a_packed_set_is_used_as_it_was_packed_or_packed_again(fixhead, tmp_path, pets, option):
    name = option.split()[0]
    packed = fixhead("data", "pack", pets, tmp_path / "out", "--name", "mine", "--json").json["path"]
    wrong, hint = f"data show {packed} {option} --out {tmp_path}/a.png", f"Leave {name} out, or pack the images again "
    check_way_out(fixhead, wrong, hint, f"data show {packed} --out {tmp_path}/a.png")

    options = hint_of(fixhead(*wrong.split())).removeprefix(f"{hint}with ").removesuffix(".").split()
    packed = fixhead("data", "pack", pets, tmp_path / "out", "--name", "again", *options, "--json").json["path"]
    assert fixhead("data", "show", packed, *option.split(), "--out", tmp_path / "a.png").code == 0


# Damaged files

DAMAGE = [
    ("index.json", lambda file: file.unlink()),
    ("index.json", lambda file: file.write_text("{")),
    ("index.json", lambda file: file.write_text(file.read_text().replace('"class 0"', '"cow"'))),
    ("index.json", lambda file: file.write_bytes(_with(file, name="../README.md"))),
    ("index.json", lambda file: file.write_bytes(_with(file, blocks=None))),
    ("index.json", lambda file: file.write_bytes(index_bytes(dataclasses.replace(
        read_index(file.parent), whole=dataclasses.replace(read_index(file.parent).whole, mean=(0.0, 0.0, 0.0)))))),
    ("test-labels.zlib", lambda file: file.unlink()),
    ("train-images-000.zlib", lambda file: file.write_bytes(b"damaged")),
]


def _with(file, **fields):
    """The bytes of an index whose first file has other fields; its checksum matches."""
    index = read_index(file.parent)
    return index_bytes(dataclasses.replace(index, files=(dataclasses.replace(index.files[0], **fields),)))


@leads_out("Copy ... again from where the set was packed, or pack it again: fixhead data pack DATASET OUT")
@pytest.mark.parametrize("name, damage", DAMAGE, ids=range(len(DAMAGE)))
def test_a_damaged_file_is_copied_again_or_the_set_is_packed_again(fixhead, tmp_path, whole_set, pets, name, damage):
    write_packed(tmp_path / "a.packed", "a", whole_set(), part_bytes=10**6)
    copied = shutil.copytree(tmp_path / "a.packed", tmp_path / "copied" / "a.packed")
    damage(copied / name)
    (found,) = verify_packed(copied)
    named, command = re.search("Copy (.*) again from .*: fixhead (.*)", found.problem).groups()
    assert not found.ok and again(named) == AGAIN.format(name)

    shutil.copy(tmp_path / "a.packed" / named, copied / named)
    assert verify_packed(copied)[0].ok
    filled = command.replace("DATASET", shlex.quote(str(pets))).replace("OUT", str(tmp_path / "anew"))
    assert fixhead(*shlex.split(filled), "--name", "a").code == 0 and verify_packed(tmp_path / "anew")[0].ok


@leads_out("Expected a folder written by `fixhead data pack`.", "Upgrade: pip install -U keras-fixhead")
def test_a_set_of_another_kind_or_version_is_refused(fixhead, tmp_path, whole_set, monkeypatch, pets):
    (other := tmp_path / "other.packed").mkdir()
    (other / "index.json").write_text("{}")
    with refused("Expected a folder written by `fixhead data pack`."):
        load_dataset(str(other))
    assert fixhead("data", "pack", pets, tmp_path / "out", "--name", "pets").code == 0
    load_dataset(str(tmp_path / "out" / "pets.packed"))

    with monkeypatch.context() as later:  # written by a later version
        later.setattr(packed_index, "SCHEMA", 2)
        write_packed(tmp_path / "a.packed", "a", whole_set(), part_bytes=10**6)
    with refused("Upgrade: pip install -U keras-fixhead"):
        load_dataset(str(tmp_path / "a.packed"))
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["metadata"]["name"] == "keras-fixhead"
    monkeypatch.setattr(packed_index, "SCHEMA", 2)
    load_dataset(str(tmp_path / "a.packed"))


@leads_out("Pack it again (fixhead data pack DATASET OUT); if it comes from the cache, empty the cache (fixhead data c")
def test_images_that_are_not_those_that_were_packed_are_packed_again(fixhead, tmp_path, whole_set, pets, monkeypatch):
    monkeypatch.setenv("FIXHEAD_CACHE_DIR", str(tmp_path / "cache"))
    cache.folder_of_sets().mkdir(parents=True)
    for folder in (tmp_path / "a.packed", cache.folder_of_sets() / "a-0-0.packed"):
        index = write_packed(folder, "a", whole_set(), part_bytes=10**6)
        wrong = dataclasses.replace(index.held_out, digest="0" * 64)
        (folder / "index.json").write_bytes(index_bytes(dataclasses.replace(index, held_out=wrong)))
        with refused("Pack it again (fixhead data pack DATASET OUT); if it comes from the cache, empty the ") as no:
            load_dataset(str(folder))
    first, second = re.findall(r"\(fixhead (.*?)\)", no.value.hint)
    assert fixhead(*second.split()).code == 0 and cache.sets() == []
    filled = first.replace("DATASET", shlex.quote(str(pets))).replace("OUT", str(tmp_path / "out"))
    load_dataset(fixhead(*shlex.split(filled), "--name", "a", "--json").json["path"])
