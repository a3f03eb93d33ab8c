"""What the self-check finds, in which case nothing is published."""
import errno
import shutil
import subprocess
import sys

import pytest

from fixhead_serving import export, warmup
from fixhead_serving.export import export_model, formats, reference, self_check
from fixhead_serving.export.formats import FORMATS
from keras_fixhead.errors import ServingError
from keras_fixhead.models import build_model

NAMES = ["Änne", "zwei Wörter", "梟"]
SIZE = 16


def small_model(**arguments):
    return build_model("resnet18", (SIZE, SIZE, 3), 3, width=1 / 64, **arguments)


@pytest.fixture
def copy(exported, tmp_path):
    """Returns a copy of a version folder, for tests that damage it."""
    shutil.copytree(exported.path, tmp_path / "copy")
    return tmp_path / "copy"


def test_a_model_whose_weights_change_before_the_check_is_not_published(tmp_path, monkeypatch):
    def write_and_change(answers, folder, label_names, form):
        formats.write_saved_model(answers, folder, label_names, form)
        weight = answers.trainable_weights[-1]
        weight.assign(weight + 0.5)

    monkeypatch.setitem(FORMATS, "saved_model", formats.Format("", "assets.extra", (), write_and_change))
    (tmp_path / "m" / "1").mkdir(parents=True)
    with pytest.raises(ServingError, match=r"^The exported model failed its check, and nothing was published: "
                                           r"serving_default on images, a batch of 1: logits differs by \S+, allowed "
                                           r"1.0e-04\. .*") as caught:
        export_model(small_model(), tmp_path / "m", label_names=NAMES)

    assert "\n" not in str(caught.value) and str(tmp_path) not in str(caught.value)
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["1"] and not list((tmp_path / "m" / "1").iterdir())


def test_a_model_without_guards_is_not_published(tmp_path, monkeypatch, checked_here):
    """Global pooling would accept images of any size, and a wrong rank would crash the server."""
    import tensorflow as tf

    guard = tf.ensure_shape
    monkeypatch.setattr(tf, "ensure_shape", lambda x, shape: x if len(shape) == 4 else guard(x, shape))
    with pytest.raises(ServingError, match=rf"serving_default answers inputs of shape \(1, {SIZE + 1}, {SIZE}, 3\)"):
        export_model(small_model(), tmp_path / "m", label_names=NAMES)
    assert list((tmp_path / "m").iterdir()) == []


@pytest.mark.parametrize("script, said", [
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "its process exited with -9 at: its start"),
    ("print('loading', flush=True); import os; os.abort()", "its process exited with -6 at: loading"),
    ("raise ImportError('no tensorflow')", "ImportError: no tensorflow"),
])
def test_a_crashed_check_reports_where_it_crashed(tmp_path, monkeypatch, script, said):
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda command, **options: run([sys.executable, "-c", script], **options))
    with pytest.raises(ServingError, match=said):
        export._self_check(tmp_path)


def test_a_hanging_check_is_killed(tmp_path, monkeypatch):
    run = subprocess.run
    script = "import time; time.sleep(60)"
    monkeypatch.setattr(subprocess, "run", lambda command, **options: run([sys.executable, "-c", script], **options))
    monkeypatch.setattr(export, "_CHECK_SECONDS", 1)
    with pytest.raises(ServingError, match="took more than 1 s"):
        export._self_check(tmp_path)


@pytest.mark.parametrize("name", ["full disk", "full disk, reported by TensorFlow", "stopped"])
def test_a_failed_write_is_a_one_line_error_and_leaves_nothing_behind(tmp_path, monkeypatch, name):
    import tensorflow as tf

    error = {"full disk": OSError(errno.ENOSPC, "No space left on device"),
             "full disk, reported by TensorFlow": tf.errors.ResourceExhaustedError(
                 None, None, "/x; No space left on device\nand more"),
             "stopped": KeyboardInterrupt()}[name]

    def write(answers, folder, label_names, form):
        (folder / "saved_model.pb").write_bytes(b"half")
        raise error

    monkeypatch.setitem(FORMATS, "saved_model", formats.Format("", "assets.extra", (), write))
    if name == "stopped":
        with pytest.raises(KeyboardInterrupt):
            export_model(small_model(), tmp_path / "m", label_names=NAMES)
    else:
        with pytest.raises(ServingError, match=r"written: .*No space left on device\. Choose a writable") as said:
            export_model(small_model(), tmp_path / "m", label_names=NAMES)
        assert "\n" not in str(said.value)
    assert list((tmp_path / "m").iterdir()) == []


def test_the_check_passes_for_an_intact_copy(copy):
    said = []
    report = self_check.check(copy, say=said.append)

    assert report["warm_up_requests"] == 9 and report["batch"] == 5
    assert [step for step in said if step.startswith("serving_bytes on")] == [
        f"serving_bytes on pictures of {of}, a batch of {size}" for of, most in (
            ("the model's size", 5), ("other sizes and kinds", 21)) for size in (1, most)]


def damage_weights(folder):
    (file,) = (folder / "variables").glob("*.data*")
    content = bytearray(file.read_bytes())
    content[: len(content) // 2] = bytes(len(content) // 2)
    file.write_bytes(content)


def damage_warm_up(folder):
    (folder / warmup.FILE).write_bytes(b"no record" * 20)


def empty_warm_up(folder):
    (folder / warmup.FILE).write_bytes(b"")


def wrong_warm_up(folder):
    warmup.write_requests(folder / warmup.FILE, "m", {"features": ("images", (5, 5, 3))})


def no_warm_up(folder):
    (folder / warmup.FILE).unlink()


def other_labels(folder):
    kept = reference.read_reference(folder / "assets.extra" / reference.FILE)
    changed = {**kept.__dict__, "label_names": [f"not {name}" for name in kept.label_names]}
    reference.write_reference(folder / "assets.extra" / reference.FILE, reference.Reference(**changed))


def no_reference(folder):
    (folder / "assets.extra" / reference.FILE).unlink()


def no_model(folder):
    (folder / "saved_model.pb").unlink()


@pytest.mark.parametrize("damage, said", [
    (damage_weights, "(cannot be loaded|differs by|no finite numbers|Checksum)"),
    (damage_warm_up, "warm-up request 1: "),
    (empty_warm_up, "warm-up requests for nothing only"),
    (wrong_warm_up, "warm-up request 1: .*not compatible with expected shape"),
    (no_warm_up, "warm-up request 1: "),
    (other_labels, "serving_default on images, a batch of 1: label is"),
    (no_model, "has no saved_model.pb"),
])
def test_damage_is_detected(copy, damage, said):
    damage(copy)
    with pytest.raises(self_check.Mismatch, match=said):
        self_check.check(copy)


def test_the_check_program_reports_the_problem_in_one_line(copy, capsys):
    no_reference(copy)

    assert self_check.main([str(copy)]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert self_check.main([]) == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize("kind, found", [("python", "EagerPyFunc"), ("numpy", "PyFunc"), ("xla", "_XlaMustCompile"),
                                         ("plain", None)])
def test_operations_unknown_to_a_stock_server_are_found_inside_functions_too(tmp_path, kind, found):
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    inner = {"python": lambda x: tf.py_function(lambda y: y + 1, [x], tf.float32),
             "numpy": lambda x: tf.numpy_function(lambda y: y + 1, [x], tf.float32),
             "xla": tf.function(lambda x: x + 1, jit_compile=True),
             "plain": tf.function(lambda x: x + 1)}[kind]
    module = tf.Module()
    module.run = tf.function(lambda x: tf.map_fn(inner, x), input_signature=[tf.TensorSpec([None], tf.float32)])
    tf.saved_model.save(module, str(tmp_path))
    saved = saved_model_pb2.SavedModel.FromString((tmp_path / "saved_model.pb").read_bytes())

    assert self_check.foreign_parts(saved) == ([found] if found else [])


@pytest.mark.parametrize("answer, said", [
    ("half", "y is float16"), ("scalar", r"y has shape \(\): its first dimension is not the batch"),
    ("constant", r"y has shape \(3,\): its first dimension is not the batch")])
def test_outputs_that_a_server_cannot_encode_are_named(answer, said):
    import tensorflow as tf

    answers = {"half": lambda x: tf.cast(x, tf.float16), "scalar": tf.reduce_sum,
               "constant": lambda x: tf.constant(NAMES)}

    def call(x):
        return {"y": answers[answer](x)}

    function = tf.function(call, input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    with pytest.raises(self_check.Mismatch, match=said):
        self_check._check_types("serving_default", function.get_concrete_function())
