"""Loading SavedModels, and the app with one."""
import ctypes
import dataclasses
import gc
import os
import shutil
import subprocess
import sys
import weakref
from base64 import b64encode

import numpy as np
import pytest

from fixhead_serving import warmup
from fixhead_serving.client import encode_png
from fixhead_serving.process import serve
from fixhead_serving.rest import create_app
from fixhead_serving.server import ModelServer, ModelSource, ServedModel, load_model
from fixhead_serving.server.memory import settle_memory
from fixhead_serving.server.metrics import Metrics
from fixhead_serving.server.models import WatchedModel
from fixhead_serving.server.refusals import ModelFailed
from fixhead_serving.server.savedmodel import MODEL_CARD, Loader
from fixhead_serving.specs import TensorSpec
from keras_fixhead.errors import ServingError

# For the model in conftest.py.
SIZE = 8
LABELS = ["cat", "dog", "owl"]

PREDICT = "/v1/models/tiny:predict"


@pytest.fixture
def app(served):
    return create_app(ModelServer([served]))


def test_only_the_latest_version_is_loaded(served):
    assert served.name == "tiny" and list(served.versions) == [2]
    assert sorted(served.versions[2].signatures) == ["features", "serving_bytes", "serving_default"]
    inputs = served.versions[2].signatures["serving_default"].inputs
    assert inputs == {"images": TensorSpec("DT_FLOAT", (None, SIZE, SIZE, 3), "serving_default_images:0")}


def test_row_and_columnar_answers_agree_with_the_graph(ask, app, base_path, images):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(base_path / "2"))
    expected = loaded.signatures["serving_default"](images=tf.constant(images, tf.float32))
    row = ask(app, "POST", PREDICT, {"instances": images.tolist()}).json["predictions"]
    columns = ask(app, "POST", PREDICT, {"inputs": images.tolist()}).json["outputs"]

    assert set(columns) == {"logits", "cosines", "probabilities", "class_index", "label"}
    np.testing.assert_array_equal(np.float32(columns["logits"]), expected["logits"].numpy())
    assert columns["label"] == [LABELS[index] for index in columns["class_index"]]
    assert row == [{name: column[index] for name, column in columns.items()} for index in range(5)]


def test_pictures_give_the_same_answer_as_their_pixels(ask, app, images):
    as_numbers = ask(app, "POST", PREDICT, {"inputs": images.tolist()}).json
    encoded = [{"b64": b64encode(encode_png(image)).decode()} for image in images]
    as_pictures = ask(app, "POST", PREDICT, {"signature_name": "serving_bytes", "inputs": encoded}).json

    assert as_numbers == as_pictures


def test_metadata_list_the_signatures(ask, app):
    answer = ask(app, "GET", "/v1/models/tiny/metadata").json

    assert answer["model_spec"] == {"name": "tiny", "signature_name": "", "version": "2"}
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    assert sorted(signatures) == ["features", "serving_bytes", "serving_default"]
    assert signatures["serving_bytes"]["inputs"]["image_bytes"]["dtype"] == "DT_STRING"


def test_versions_that_are_not_loaded_are_a_404(ask, app):
    assert ask(app, "POST", "/v1/models/tiny/versions/1:predict", {"instances": [1]}).status == 404
    assert ask(app, "GET", "/v1/models/tiny/versions/2").status == 200


@pytest.mark.parametrize(
    "body, text",
    [
        ({"instances": [1.0]}, "is not compatible with expected shape"),
        ({"instances": [[[1.0] * 3] * SIZE]}, "is not compatible with expected shape"),
        ({"inputs": [[[1.0] * 3] * SIZE] * SIZE}, "is not compatible with expected shape"),
        ({"inputs": np.zeros((1, 2 * SIZE, 2 * SIZE, 3)).tolist()}, "is not compatible with expected shape"),
        ({"inputs": np.zeros((1, SIZE, SIZE, 1)).tolist()}, "is not compatible with expected shape"),
        ({"inputs": []}, "is empty"),
        ({"signature_name": "serving_bytes", "instances": ["no picture"]}, "Unknown image file format."),
        ({"signature_name": "serving_bytes", "instances": [{"b64": "iVBORw0KGgo="}]}, "Invalid PNG"),
        ({"signature_name": "serving_bytes", "instances": [{"b64": "!"}]}, "Unable to base64 decode"),
        ({"signature_name": "serving_bytes", "instances": [""]}, "Input is empty."),
        (b"\x00\xff garbage", "JSON Parse error: "),
    ],
)
def test_invalid_input_is_a_400_and_the_server_keeps_running(ask, app, images, body, text):
    answer = ask(app, "POST", PREDICT, body)

    assert answer.status == 400 and text in answer.json["error"]
    assert "{{node" not in answer.json["error"] and "stack traces" not in answer.json["error"]
    assert ask(app, "POST", PREDICT, {"inputs": images.tolist()}).status == 200


# Folders that cannot be served


def test_a_folder_without_a_version_is_an_error_with_a_hint(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / ".tmp-1-x").mkdir()

    for base in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ServingError, match=f"'{base}'.* fixhead export RUN {base}$"):
            serve(base)


def test_a_version_folder_is_not_taken_for_a_base_path(base_path):
    with pytest.raises(ServingError, match=r"is one version of a model.* Serve its parent"):
        load_model(base_path / "2")


def test_a_damaged_version_is_a_one_line_error(tmp_path, base_path):
    shutil.copytree(base_path / "2", tmp_path / "m" / "3")
    damaged = tmp_path / "m" / "3"
    for file in (damaged / "variables").iterdir():
        file.write_bytes(b"")
    with pytest.raises(ServingError, match=r"^Version 3 in .* cannot be loaded: .+") as caught:
        load_model(tmp_path / "m")
    assert "\n" not in str(caught.value)

    (damaged / "saved_model.pb").write_bytes(b"no protobuf")
    with pytest.raises(ServingError, match=r"^Version 3 in .* cannot be loaded: .+"):
        load_model(tmp_path / "m")


@pytest.fixture(scope="module")
def any_rank(tmp_path_factory):
    """Returns a version with an input of unknown rank and a convolution."""
    import tensorflow as tf

    kernel = tf.ones((3, 3, 3, 1))
    module = tf.Module()
    module.run = tf.function(
        lambda x: {"y": tf.nn.conv2d(x, kernel, 1, "SAME")},
        input_signature=[tf.TensorSpec(None, tf.float32, name="x")],
    )
    base = tmp_path_factory.mktemp("any") / "m"
    tf.saved_model.save(module, str(base / "1"), signatures={"serving_default": module.run})
    return base


def test_an_input_of_unknown_rank_is_refused_on_load(any_rank):
    text = r"Input 'x' of signature 'serving_default' in .* has no known rank.*--no-onednn"
    with pytest.raises(ServingError, match=text):
        load_model(any_rank)


WITHOUT_ONEDNN = """
import json, sys, httpx
from fixhead_serving.config import ServerConfig
from fixhead_serving.process import serve

def ask(urls):
    answers = [httpx.post(urls[0] + ":predict", json={"inputs": x}) for x in ([1.0], [[[1.0]]], [[[[1.0] * 3]]])]
    print(json.dumps([answer.status_code for answer in answers]), flush=True)
    import os, signal
    os.kill(os.getpid(), signal.SIGINT)

serve(sys.argv[1], ServerConfig(port=0, onednn=False), on_ready=ask)
"""


def test_without_onednn_unknown_ranks_are_served_and_a_wrong_rank_is_a_400(any_rank):
    done = subprocess.run([sys.executable, "-c", WITHOUT_ONEDNN, str(any_rank)], capture_output=True, text=True,
                          env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}, timeout=120)  # fmt: skip

    assert (done.returncode, done.stdout) == (0, "[400, 400, 200]\n"), done.stderr


def test_a_signature_with_a_sparse_tensor_is_not_served(copied, caplog):
    from tensorflow.core.protobuf import saved_model_pb2

    file = copied / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    sparse = saved.meta_graphs[0].signature_def["sparse"]
    sparse.CopyFrom(saved.meta_graphs[0].signature_def["serving_default"])
    sparse.outputs["logits"].coo_sparse.values_tensor_name = "values:0"  # instead of the name of the tensor
    file.write_bytes(saved.SerializeToString())
    version = Loader()(3, copied)

    assert sorted(version.signatures) == ["features", "serving_bytes", "serving_default"]
    assert f"Signature 'sparse' in '{copied}' is left out" in caplog.text


class Allocated(ctypes.Structure):
    """The struct of mallinfo2 in glibc."""

    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="only glibc 2.33 or later reports its "
                    "memory in use; .ci/run counts this as NOT RUN")
def test_failing_calls_do_not_leak_memory(copied):
    call = Loader()(3, copied).call
    in_use = ctypes.CDLL(None).mallinfo2
    in_use.restype = Allocated

    def fail(count):
        for _ in range(count):
            with pytest.raises(ModelFailed, match="Unknown image file format"):
                call("serving_bytes", {"image_bytes": np.array([b"no picture"], object)})
        gc.collect()

    fail(200)
    before = in_use().uordblks
    fail(1000)
    assert in_use().uordblks - before < 200 * 1000  # an eager function keeps about 950 bytes of each call


def test_an_unloaded_version_is_freed(copied):
    import tensorflow as tf

    base = copied.parent
    watched = WatchedModel(ModelSource("m", base), Loader())
    watched.start()
    settle_memory()
    gc.unfreeze()  # frozen objects are not listed
    loaded = [weakref.ref(each) for each in gc.get_objects() if isinstance(each, tf.compat.v1.Session)]
    settle_memory()
    shutil.copytree(copied, base / ".tmp").rename(base / "4")
    assert watched.refresh()
    settle_memory()

    assert [session() for session in loaded].count(None) == 1 and list(watched.model.versions) == [4]
    gc.unfreeze()


# Warming up and merging


@pytest.fixture
def copied(tmp_path, base_path):
    return shutil.copytree(base_path / "2", tmp_path / "m" / "3")


def write_records(folder, requests):
    """Writes warm-up records as documented by TensorFlow Serving: protobuf bytes, by field numbers."""
    import tensorflow as tf

    def field(number, content):
        size, varint = len(content), b""
        while size > 127:
            varint, size = varint + bytes([size & 127 | 128]), size >> 7
        return bytes([number << 3 | 2]) + varint + bytes([size]) + content

    file = folder / warmup.FILE
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for signature, inputs in requests:
            spec = field(1, b"any name") + (field(3, signature.encode()) if signature else b"")
            request = field(1, spec)  # PredictRequest.model_spec
            for name, value in inputs.items():
                tensor = tf.make_tensor_proto(value).SerializeToString()
                request += field(2, field(1, name.encode()) + field(2, tensor))  # PredictRequest.inputs
            writer.write(field(6, field(1, request)))  # PredictionLog.predict_log.request
    return file


def test_a_version_is_warmed_up_with_its_own_records(copied, images):
    metrics = Metrics()
    write_records(copied, [("", {"images": images.astype("float32")}),
                           ("serving_bytes", {"image_bytes": [encode_png(images[0])]})])  # fmt: skip
    version = Loader(metrics=metrics)(3, copied)

    page = metrics.page().decode()
    assert f':tensorflow:serving:model_warmup_records_read{{model_path="{copied}",status="OK"}} 2.0' in page
    assert f':tensorflow:serving:model_warmup_latency_count{{model_path="{copied}",status="OK"}} 1.0' in page
    assert version.sample[0] == "serving_default" and set(version.call(*version.sample)) >= {"logits", "label"}


@pytest.mark.parametrize(
    "requests, text",
    [
        ([("no", {"images": [1.0]})], "Warm-up record 1 in .* fails: there is no signature 'no'"),
        ([("serving_bytes", {"image_bytes": [b"x"]})], "Warm-up record 1 in .* fails: Unknown image file format"),
        ([("serving_default", {"x": [1.0]})], "Warm-up record 1 in .* fails: its inputs are .'x'., not .'images'."),
        (None, "The warm-up requests in .* cannot be read: corrupted record"),
    ],
)
def test_a_failing_warm_up_record_makes_the_version_fail(copied, requests, text):
    file = write_records(copied, requests or [])
    if requests is None:
        file.write_bytes(b"no records at all, and longer than a header")

    with pytest.raises(ServingError, match=text) as caught:
        Loader()(3, copied)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("card, batching, merges", [(False, None, False), (True, None, True), (True, False, False),
                                                    (False, True, True)])  # fmt: skip
def test_requests_are_merged_for_our_exports_and_for_other_models_on_request(copied, card, batching, merges):
    if card:
        (copied / MODEL_CARD).parent.mkdir(exist_ok=True)
        (copied / MODEL_CARD).write_text("{}")
    version = Loader(batching=batching)(3, copied)

    assert version.mergeable == ({"serving_default", "serving_bytes", "features"} if merges else set())


def test_merged_requests_get_the_same_answers_as_single_ones(copied, ask_all, images):
    version = Loader(batching=True)(3, copied)
    bodies = [{"instances": [image.tolist()]} for image in images] + [{"instances": images.tolist()}]
    pictures = [{"b64": b64encode(encode_png(image)).decode()} for image in images]
    bodies += [{"signature_name": "serving_bytes", "instances": [picture]} for picture in (*pictures, "no picture")]
    requests = [("POST", PREDICT, body, {}) for body in bodies]

    alone = create_app(ModelServer([_model(version, merging=False)]))
    single = [answer for request in requests for answer in ask_all(alone, [request])]
    at_once = ask_all(create_app(ModelServer([_model(version, merging=True)], workers=1)), requests)
    assert [answer.status for answer in at_once] == [200] * 11 + [400]
    for one, other in zip(single, at_once, strict=True):
        for first, second in zip(one.json.get("predictions", []), other.json.get("predictions", []), strict=True):
            assert first["label"] == second["label"]
            # other batches may be summed in another order
            np.testing.assert_allclose(first["logits"], second["logits"], rtol=1e-5, atol=1e-5)


def _model(version, merging):
    return ServedModel("tiny", {3: version if merging else dataclasses.replace(version, mergeable=frozenset())})
