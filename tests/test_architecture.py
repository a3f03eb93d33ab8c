"""docs/architecture.md is the plan: its rooms are those on the disk, its order is that of the import contracts."""
import importlib
import re
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text()


def section(title):
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


TABLE = section("Rooms, from the ground up")


def rooms(table=TABLE):
    """The rooms of the table, from the ground up, as packages."""
    cells = re.findall(r"^\| (.*?) \|", table, flags=re.MULTILINE)
    names = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    return [name if name.startswith("fixhead_") else f"keras_fixhead.{name}" for name in names]


GROUND = rooms(TABLE.partition("from here on, with Keras")[0])


def contract(name, key):
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup[f"importlinter:contract:{name}"][key].split()


def test_rooms_are_in_the_order_of_the_import_contract():
    assert rooms()[0] == "keras_fixhead.errors" and len(rooms()) > 25
    assert rooms() == contract("rooms", "layers")[::-1]


def test_every_module_of_the_library_is_a_room_of_the_table():
    found = {path.stem for path in (ROOT / "keras_fixhead").iterdir()
             if path.stem[0] != "_" and (path.suffix == ".py" or (path / "__init__.py").is_file())}

    assert {f"keras_fixhead.{name}" for name in found} == {room for room in rooms() if "." in room}


def test_what_is_free_of_keras_on_the_page_is_so_by_contract():
    checked = {room for room in contract("ground", "source_modules") if room.startswith("keras_fixhead")}

    assert checked == {*GROUND, "keras_fixhead.experiments", "keras_fixhead.reproduction"} and len(GROUND) > 12


def test_the_layer_uses_the_three_rooms_that_the_page_names():
    words = re.findall(r"`(\w+)`", PAGE.partition("`head` needs only ")[2].partition(":")[0])
    used = {f"keras_fixhead.{name}" for name in words}

    assert len(used) == 3
    assert set(contract("layer", "forbidden_modules")) == set(GROUND) - used


def test_every_path_of_the_tree_exists():
    parent, missing = "", []
    lines = [line for line in section("The top level").splitlines() if line.startswith("    ")]
    for line in lines:
        names = line.split() if line.lstrip().startswith("setup.cfg") else line.split()[:1]
        if not line.startswith("        "):
            parent = names[0]
        missing += [name for name in names if not (ROOT / ("" if name == parent else parent) / name).exists()
                    and not (ROOT / name).exists()]

    assert len(lines) > 15 and missing == []


def test_every_file_that_the_page_names_exists():
    own = {"config.json", "result.json"}  # of a run
    folders = [ROOT / name for name in ("keras_fixhead", "cli", "serving", "benchmarks", "website", "docs", "results",
                                        "tests")]
    ends = [f"{path.as_posix()}/" for folder in folders for path in (folder, *folder.rglob("*"))]
    named = set(re.findall(r"`([\w/]+\.(?:py|md|json)|[\w/]+/)`", PAGE)) - own

    assert len(named) > 60
    assert {name for name in named if not any(end.endswith(f"/{name.rstrip('/')}/") for end in ends)} == set()


@pytest.mark.parametrize("room, name", sorted({
    (room, name) for room, name in re.findall(r"`(\w+)\.(\w+)(?:\([^`]*\))?`", PAGE)
    if f"keras_fixhead.{room}" in rooms() and name not in ("py", "md", "json", "values")}))  # files; a method
def test_every_name_of_a_room_on_the_page_exists(room, name):
    module, folder = importlib.import_module(f"keras_fixhead.{room}"), ROOT / "keras_fixhead" / room

    assert hasattr(module, name) or (folder / f"{name}.py").is_file() or (folder / name).is_dir()


def test_tests_mirror_the_packages():
    own = {"end_to_end", "backends", "packaging"}
    folders = {path.name for path in (ROOT / "tests").iterdir() if list(path.glob("test_*.py"))}
    served = {path.name for path in (ROOT / "tests" / "serving").iterdir() if list(path.glob("test_*.py"))}

    assert own < folders and folders - own - {"cli", "serving"} <= {room.rpartition(".")[2] for room in rooms()}
    assert len(served) > 5 and all((ROOT / "serving" / name).is_dir() for name in served)
