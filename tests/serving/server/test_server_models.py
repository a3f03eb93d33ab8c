"""Models that follow their folders, with a plain function as loader and without TensorFlow."""
import logging
import shutil
import threading
import time

import pytest

from fixhead_serving.server import LoadedVersion, ModelSource, VersionPolicy
from fixhead_serving.server.folders import find_versions
from fixhead_serving.server.models import WatchedModel
from fixhead_serving.server.watching import Watcher
from keras_fixhead.errors import ServingError


class Loader:
    """Loads versions that are not marked broken, and records its calls."""

    def __init__(self):
        self.loaded = []

    def __call__(self, number, folder):
        self.loaded.append(number)
        if (folder / "broken").exists():
            raise RuntimeError("damaged\nby something")
        return LoadedVersion(number, {}, lambda name, inputs: {"y": number})


@pytest.fixture
def load():
    return Loader()


@pytest.fixture
def publish(tmp_path):
    """Returns a function that publishes a version like an export: written elsewhere, then renamed."""

    def make(number, broken=False):
        aside = tmp_path / ".tmp-x"
        aside.mkdir(parents=True)
        (aside / "saved_model.pb").touch()
        if broken:
            (aside / "broken").touch()
        aside.rename(tmp_path / str(number))

    return make


@pytest.fixture
def watch(tmp_path, load):
    """Returns a function that starts a model in the folder."""

    def start(**fields):
        watched = WatchedModel(ModelSource("m", tmp_path, **fields), load)
        watched.start()
        return watched

    return start


def states(watched):
    return {number: state.state for number, state in watched.model.states.items()}


def test_only_numbered_folders_with_a_saved_model_are_versions(tmp_path, publish):
    for name in ("7", "007", "12", "99999999999999999999", ".tmp-8-x", "9x", "-3"):
        publish(name)
    (tmp_path / "13").mkdir()
    (tmp_path / "14").touch()

    assert set(find_versions(tmp_path)) == {7, 12}


def test_a_new_version_is_loaded_before_the_old_one_is_unloaded(watch, publish, load, tmp_path):
    publish(1)
    watched = watch()
    served = []
    load.loaded.clear()

    def loading(number, folder):
        served.append((set(watched.model.versions), states(watched)))
        return Loader()(number, folder)

    watched._load = loading
    publish(2)
    assert watched.refresh()
    assert served == [({1}, {1: "AVAILABLE", 2: "LOADING"})]
    assert list(watched.model.versions) == [2]
    watched.refresh()
    assert states(watched) == {1: "END", 2: "AVAILABLE"}
    assert watched.model.states[1].error_code == "OK"
    assert not watched.refresh()


def test_a_version_is_unloaded_only_after_its_last_running_request(watch, publish):
    publish(1)
    watched = watch()
    running = watched.model.versions[1]
    publish(2)
    watched.refresh()
    watched.refresh()
    assert states(watched) == {1: "UNLOADING", 2: "AVAILABLE"}
    assert running.call("", {}) == {"y": 1}

    del running
    assert watched.refresh()
    assert states(watched) == {1: "END", 2: "AVAILABLE"}


def test_a_broken_version_is_skipped_reported_and_not_retried(watch, publish, load, caplog):
    publish(1)
    watched = watch()
    publish(2, broken=True)
    assert not watched.refresh()
    assert not watched.refresh()

    assert load.loaded == [1, 2] and list(watched.model.versions) == [1]
    state = watched.model.states[2]
    assert (state.state, state.error_code) == ("END", "INTERNAL")
    assert "cannot be loaded: damaged" in state.error_message and "\n" not in state.error_message
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "Version 2 of model 'm' is skipped" in record.getMessage()


def test_a_broken_version_is_retried_when_its_files_change(watch, publish, load, tmp_path):
    publish(1)
    watched = watch()
    publish(2, broken=True)
    watched.refresh()
    (tmp_path / "2" / "broken").unlink()

    assert watched.refresh()
    assert list(watched.model.versions) == [2] and watched.model.states[2].error_code == "OK"


def test_a_version_after_a_broken_one_replaces_the_last_good_one(watch, publish):
    publish(1)
    watched = watch()
    publish(2, broken=True)
    watched.refresh()
    publish(3)
    watched.refresh()
    watched.refresh()

    assert states(watched) == {1: "END", 2: "END", 3: "AVAILABLE"}


def test_a_version_whose_folder_disappears_is_replaced_by_the_previous_one(watch, publish, tmp_path):
    publish(1)
    publish(2)
    watched = watch()
    assert list(watched.model.versions) == [2]
    shutil.rmtree(tmp_path / "2")
    watched.refresh()

    assert list(watched.model.versions) == [1]
    shutil.rmtree(tmp_path / "1")
    watched.refresh()
    assert not watched.model.versions
    publish(1)  # and comes back
    watched.refresh()
    assert states(watched)[1] == "AVAILABLE"


def test_a_temporarily_missing_model_folder_changes_nothing(watch, publish, tmp_path, caplog):
    publish(1)
    watched = watch()
    away = tmp_path.with_name("away")
    tmp_path.rename(away)
    for _ in range(3):
        assert not watched.refresh()
    away.rename(tmp_path)
    watched.refresh()

    assert list(watched.model.versions) == [1]
    assert sum("does not exist" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize(
    "policy, expected",
    [
        (VersionPolicy(latest=2), [[2, 3], [3, 4]]),
        (VersionPolicy(), [[1, 2, 3], [1, 2, 3, 4]]),
        (VersionPolicy(numbers=(1, 4)), [[1], [1, 4]]),
    ],
)
def test_version_policies_are_followed(watch, publish, policy, expected):
    for number in (1, 2, 3):
        publish(number)
    watched = watch(policy=policy)
    first = sorted(watched.model.versions)
    publish(4)
    watched.refresh()

    assert [first, sorted(watched.model.versions)] == expected


def test_a_model_whose_only_version_is_broken_does_not_start(watch, publish):
    publish(1, broken=True)

    with pytest.raises(ServingError, match=r"^Version 1 in '.*' cannot be loaded: damaged Remove that folder"):
        watch()


@pytest.mark.parametrize(
    "fields, text",
    [
        ({"policy": VersionPolicy(numbers=(8, 9))}, r"has none of these versions: 8, 9\. It has 1, 2\."),
        ({"labels": {"stable": 1}}, r"Label 'stable' of model 'm' points to version 1, .* Served: 2"),
    ],
)
def test_missing_versions_and_labels_are_reported_at_startup(watch, publish, fields, text):
    publish(1)
    publish(2)

    with pytest.raises(ServingError, match=text):
        watch(**fields)


def test_a_label_for_a_version_that_cannot_be_loaded_is_reported_at_startup(watch, publish):
    publish(1, broken=True)
    publish(2)

    with pytest.raises(ServingError, match=r"points to version 1, which could not be loaded: .*damaged"):
        watch(policy=VersionPolicy(), labels={"stable": 1})


def test_errors_do_not_stop_the_watcher(watch, publish, caplog):
    publish(1)
    watched = watch()
    changes = []
    watcher = Watcher([watched, watched], 0, lambda: changes.append(1))
    watched.refresh = lambda: 1 / 0
    watcher.look()

    assert not changes and caplog.text.count("ZeroDivisionError") == 2
    del watched.refresh
    publish(2)
    watcher.look()
    assert changes == [1]


def test_leaving_the_watcher_waits_for_a_load_in_progress(watch, publish):
    publish(1)
    watched = watch()
    begun, ended = threading.Event(), []

    def load(number, folder):
        begun.set()
        time.sleep(0.2)
        ended.append(number)
        return LoadedVersion(number, {}, lambda name, inputs: {})

    watched._load = load
    with Watcher([watched], 0.01, lambda: None):
        publish(2)
        assert begun.wait(10)
    assert ended == [2]
