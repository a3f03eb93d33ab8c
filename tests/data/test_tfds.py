"""Missing data sets. Reading prepared ones is covered by training on real CIFAR-10."""
import http.client
import threading
import time
import urllib.error
from contextlib import nullcontext

import pytest

from keras_fixhead.data import check_available, load_dataset, tfds
from keras_fixhead.errors import DataError, FixheadError


@pytest.fixture(autouse=True)
def _answers_are_forgotten():
    probe = tfds._answers
    probe.cache_clear()
    yield
    probe.cache_clear()


@pytest.fixture
def offline(monkeypatch):
    asked = []
    monkeypatch.setattr(tfds, "_answers", lambda url: asked.append(url))
    return asked


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_an_unprepared_set_without_network_suggests_the_option_and_the_embedded_set(tmp_path, offline, name):
    start = time.perf_counter()
    with pytest.raises(DataError, match=f"{name} is not prepared in {tmp_path}, and .*cannot be downloaded") as caught:
        load_dataset(name, str(tmp_path))

    assert "--data-dir" in str(caught.value) and "TFDS_DATA_DIR" in str(caught.value)
    assert "--dataset digits" in str(caught.value) and "\n" not in str(caught.value)
    assert time.perf_counter() - start < 2  # TensorFlow Datasets alone would retry for minutes
    assert offline == ["https://www.cs.toronto.edu/"]


def test_availability_is_checked_without_loading_anything(tmp_path, offline):
    check_available("digits")
    with pytest.raises(DataError, match="cifar10 is not prepared"):
        check_available("cifar10", str(tmp_path))
    (tmp_path / "cifar10" / "3.0.2").mkdir(parents=True)
    (tmp_path / "cifar10" / "3.0.2" / "dataset_info.json").write_text("{}")
    asked = len(offline)
    check_available("cifar10", str(tmp_path))
    assert len(offline) == asked  # prepared sets need no network


def test_a_missing_folder_is_reported_before_anything_is_tried(offline):
    with pytest.raises(DataError, match="The data folder /no/such/folder does not exist"):
        load_dataset("cifar10", "/no/such/folder")
    assert not offline


def test_the_folder_comes_from_the_argument_then_the_environment_then_the_default(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", "~/prepared")
    monkeypatch.setenv("HOME", str(tmp_path))

    (tmp_path / "own").mkdir()
    assert tfds.data_folder(str(tmp_path)) == tmp_path
    assert tfds.data_folder("~/own") == tmp_path / "own"
    assert tfds.data_folder(None) == tmp_path / "prepared"
    monkeypatch.delenv("TFDS_DATA_DIR")
    assert tfds.data_folder(None) == tmp_path / "tensorflow_datasets"


def test_a_set_is_prepared_if_any_of_its_versions_is(tmp_path):
    assert not tfds.is_prepared("cifar10", tmp_path / "nothing")
    (tmp_path / "cifar10" / "3.0.2").mkdir(parents=True)
    assert not tfds.is_prepared("cifar10", tmp_path)
    (tmp_path / "cifar10" / "3.0.2" / "dataset_info.json").write_text("{}")
    assert tfds.is_prepared("cifar10", tmp_path)
    assert not tfds.is_prepared("cifar100", tmp_path)


def test_a_damaged_set_is_a_one_line_error_with_a_hint(tmp_path, offline):
    folder = tmp_path / "cifar10" / "3.0.2"
    folder.mkdir(parents=True)
    for name in ("dataset_info.json", "features.json"):
        (folder / name).write_text("{")
    with pytest.raises(FixheadError, match=r"cifar10 in .* cannot be read") as caught:
        load_dataset("cifar10", str(tmp_path))

    assert isinstance(caught.value, DataError)
    assert "prepare it again" in str(caught.value) and "\n" not in str(caught.value)
    assert not offline


def test_an_http_error_means_online_and_no_answer_means_offline(monkeypatch):
    def answer(outcome):
        def opened(request, timeout):
            raise outcome

        monkeypatch.setattr(tfds.urllib.request, "urlopen", opened)
        tfds._answers.cache_clear()
        return tfds._answers("https://example.org/")

    assert answer(urllib.error.HTTPError("https://example.org/", 403, "Forbidden", {}, None))
    assert not answer(urllib.error.URLError("no route"))
    assert not answer(TimeoutError())
    assert not answer(ValueError("unknown url type"))
    assert not answer(http.client.BadStatusLine("garbage"))
    assert not tfds._answers("no url")


def test_waiting_for_a_hanging_name_server_is_short(monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(tfds.urllib.request, "urlopen", lambda request, timeout: nullcontext(release.wait(30)))
    monkeypatch.setattr(tfds, "PROBE_SECONDS", 0.05)
    start = time.perf_counter()

    assert not tfds._answers("https://example.org/")
    assert time.perf_counter() - start < 5
    release.set()
