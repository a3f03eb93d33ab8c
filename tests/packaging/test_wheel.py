"""What gets installed: the list of packages compared with the disk, and the contents of a wheel."""
import configparser
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from keras_fixhead._version import __version__

ROOT = Path(__file__).parents[2]
FOLDERS = {"keras_fixhead": "keras_fixhead", "fixhead_cli": "cli", "fixhead_serving": "serving"}


@pytest.fixture(scope="module")
def setup_cfg():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)  # setuptools would pack leftovers from earlier builds
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)],
                   check=True, capture_output=True)
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


def packages_on_disk():
    for package, folder in FOLDERS.items():
        for file in (ROOT / folder).rglob("__init__.py"):
            yield ".".join([package, *file.parent.relative_to(ROOT / folder).parts])


def test_setup_cfg_lists_every_package_on_disk(setup_cfg):
    listed = setup_cfg["options"]["packages"].split()

    assert sorted(listed) == sorted(packages_on_disk())


def test_the_wheel_contains_every_source_file_and_nothing_else(wheel):
    expected = {
        f"{package}/{file.relative_to(ROOT / folder).as_posix()}"
        for package, folder in FOLDERS.items()
        for file in (ROOT / folder).rglob("*")
        if file.suffix in (".py", ".json") or file.name == "py.typed"
    }
    found = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert found == expected


def test_the_wheel_installs_three_names_and_one_command(wheel):
    info = f"keras_fixhead-{__version__}.dist-info"

    assert wheel.read(f"{info}/top_level.txt").decode().split() == ["fixhead_cli", "fixhead_serving", "keras_fixhead"]
    assert "fixhead = fixhead_cli.main:main" in wheel.read(f"{info}/entry_points.txt").decode()
    assert f"{info}/licenses/LICENSE" in wheel.namelist()


@pytest.mark.parametrize("extra", ["test", "dev", "cv", "imgaug", "gpu", "onnx", "litert", "hub", "keras-hub"])
def test_the_documented_extras_are_declared(wheel, extra):
    metadata = wheel.read(f"keras_fixhead-{__version__}.dist-info/METADATA").decode()

    assert f"Provides-Extra: {extra}\n" in metadata


def test_the_requirement_files_match_setup_cfg(setup_cfg):
    """For installs with --no-deps: the same packages and ranges, except the backend and what needs TensorFlow."""
    required = {line for line in setup_cfg["options"]["install_requires"].splitlines() if line and line[0] != "#"}
    tensorflow_only = {"tensorflow>=2.21,<3", "tensorflow-datasets>=4.9.10", "importlib_resources"}

    def listed(name):
        lines = (ROOT / "requirements" / name).read_text().splitlines()
        return {line for line in lines if line and not line.startswith("#")}

    assert listed("tensorflow-cpu.txt") == required - {"tensorflow>=2.21,<3"} | {"tensorflow-cpu>=2.21,<3"}
    assert listed("jax.txt") == required - tensorflow_only | {"jax>=0.10"}
