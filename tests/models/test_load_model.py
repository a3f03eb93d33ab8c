from pathlib import Path

import keras
import numpy as np
import pytest

from keras_fixhead.errors import RunError
from keras_fixhead.models import load_model, save_model


def test_a_run_and_its_model_file_load_the_same_model(digits_run):
    images = np.zeros((2, 32, 32, 3), "uint8")
    by_run, by_file = load_model(digits_run.path), load_model(str(digits_run.model_path))

    np.testing.assert_array_equal(by_run.predict(images, verbose=0), by_file.predict(images, verbose=0))


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"is not a run directory, and has no model\.keras\. Pass a run directory or"):
        load_model(tmp_path)


def test_a_run_that_is_not_finished_has_no_model(tmp_path, digits_run):
    (tmp_path / "config.json").write_bytes((digits_run.path / "config.json").read_bytes())
    with pytest.raises(RunError, match=r"has no model\.keras: the run is not finished\. Finish it: fixhead train"):
        load_model(tmp_path)


def test_a_missing_path_is_reported(tmp_path):
    with pytest.raises(RunError, match="does not exist"):
        load_model(tmp_path / "none.keras")


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "no weights"])
def test_a_damaged_file_is_reported_in_one_line(tmp_path, digits_run, damage):
    whole = digits_run.model_path.read_bytes()
    content = {"empty": b"", "cut": whole[: len(whole) // 2], "text": b"no model at all",
               "no weights": whole.replace(b"model.weights.h5", b"model.weights.h6")}[damage]
    path = tmp_path / "m.keras"
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"m\.keras is damaged") as caught:
        load_model(path)

    assert "\n" not in str(caught.value)


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "m.txt"
    path.write_text("x")
    with pytest.raises(RunError, match="is damaged"):
        load_model(path)


def test_a_failed_save_keeps_the_previous_model(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    save_model(model, tmp_path / "m.keras")
    before = (tmp_path / "m.keras").read_bytes()

    def full(self, path):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keras.Model, "save", full)
    with pytest.raises(RunError, match=r"m\.keras cannot be written: No space left on device"):
        save_model(model, tmp_path / "m.keras")

    assert (tmp_path / "m.keras").read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["m.keras"]
