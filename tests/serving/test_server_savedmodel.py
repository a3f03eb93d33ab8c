"""Loading SavedModels, and the app over one."""
import shutil
from base64 import b64encode

import numpy as np
import pytest

from fixhead_serving.client import encode_png
from fixhead_serving.protocol import TensorSpec
from fixhead_serving.server import create_app, load_model, serve
from keras_fixhead.errors import ServingError

# Of the model in conftest.py.
SIZE = 8
LABELS = ["cat", "dog", "owl"]

PREDICT = "/v1/models/tiny:predict"


@pytest.fixture
def app(served):
    return create_app([served])


def test_the_latest_version_is_loaded_and_only_that(served):
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


def test_pictures_are_decoded_to_the_same_answer(ask, app, images):
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


def test_versions_that_are_not_loaded_are_not_found(ask, app):
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
def test_what_the_model_does_not_take_is_a_400_and_the_server_goes_on(ask, app, images, body, text):
    answer = ask(app, "POST", PREDICT, body)

    assert answer.status == 400 and text in answer.json["error"]
    assert "{{node" not in answer.json["error"] and "stack traces" not in answer.json["error"]
    assert ask(app, "POST", PREDICT, {"inputs": images.tolist()}).status == 200


# Folders that cannot be served


def test_a_folder_without_a_version_says_what_to_type(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / ".tmp-1-x").mkdir()

    for base in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ServingError, match=f"'{base}'.* fixhead export RUN {base}$"):
            serve(base)


def test_a_version_folder_is_not_taken_for_a_base_path(base_path):
    with pytest.raises(ServingError, match=r"is one version of a model.* Serve its parent"):
        load_model(base_path / "2")


def test_a_damaged_version_is_one_line(tmp_path, base_path):
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


def test_an_input_of_unknown_rank_is_refused_at_load(tmp_path):
    import tensorflow as tf

    module = tf.Module()
    module.run = tf.function(lambda x: {"y": x}, input_signature=[tf.TensorSpec(None, tf.float32, name="x")])
    tf.saved_model.save(module, str(tmp_path / "m" / "1"), signatures={"serving_default": module.run})

    with pytest.raises(ServingError, match=r"Input 'x' of signature 'serving_default' in .* has no known rank"):
        load_model(tmp_path / "m")
