"""Exports of models that never have all logits, and of models that take vectors."""
import dataclasses
import json

import numpy as np
import pytest

from fixhead_cli.predictions import Predictions
from fixhead_serving.client.bodies import checked_vectors, image_batches
from fixhead_serving.client.files import read_images
from fixhead_serving.export import FORMATS, export_model
from fixhead_serving.export import answers as answers_module
from fixhead_serving.export.answers import answers_model
from fixhead_serving.export.reference import Mismatch, Reference, compare
from fixhead_serving.server.classifying import classification
from keras_fixhead.class_names import NumberedNames
from keras_fixhead.errors import ArgumentError, DataError
from keras_fixhead.models import as_dense, build_model

CLASSES, DIM = 40, 6
NAMES = [f"class {number}" for number in range(CLASSES)]
X = np.random.default_rng(2).normal(size=(7, DIM)).astype("float32")


def model(**options):
    return build_model("mlp", (DIM,), CLASSES, width=1 / 16, streaming=True, mean=0.0, std=1.0,
                       **{"scale": 5.0, "class_vectors": "rademacher", **options})


def expected(streaming):
    """The ten largest logits of all, their classes and probabilities, from the dense model in float64."""
    logits = as_dense(streaming)(X).numpy().astype(np.float64)
    order = np.argsort(-logits, axis=1, kind="stable")[:, :10]
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return order, np.take_along_axis(logits, order, axis=1), np.take_along_axis(shares, order, axis=1)


@pytest.mark.parametrize("in_memory", [True, False])
def test_answers_are_the_best_of_all_logits(in_memory):
    streaming = model(in_memory=in_memory)
    found = {name: value.numpy() for name, value in answers_model(streaming)(X).items()}
    classes, logits, shares = expected(streaming)

    assert set(found) == {"top_classes", "top_logits", "top_probabilities", "features", "embedding"}
    np.testing.assert_array_equal(found["top_classes"], classes)
    np.testing.assert_allclose(found["top_logits"], logits, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found["top_probabilities"], shares, rtol=1e-4)


@pytest.mark.parametrize("options", [{}, {"in_memory": False}, {"class_vectors": "uniform"}])
def test_answers_of_a_model_in_bfloat16_are_float32(options):
    streaming = model(product_dtype="bfloat16", **options)
    answers = answers_model(streaming)
    classes, logits, _ = expected(streaming)

    assert {weight.dtype for weight in answers.weights} == {"float32"}
    np.testing.assert_array_equal(answers(X)["top_classes"], classes)
    np.testing.assert_allclose(answers(X)["top_logits"], logits, rtol=1e-5, atol=1e-5)


def test_a_large_table_is_drawn_in_the_graph_or_refused_in_one_line(monkeypatch):
    monkeypatch.setattr(answers_module, "TABLE_BYTES", 1_000)
    signs = model()
    drawn = answers_model(signs)
    assert not any("class_vectors" in weight.path for weight in drawn.weights)
    np.testing.assert_array_equal(drawn(X)["top_classes"].numpy(), expected(signs)[0])
    for others in (model(class_vectors="uniform"), as_dense(signs)):
        with pytest.raises(ArgumentError, match="an exported file has at most 0 GB of them: only random signs can be"):
            answers_model(others)


def test_an_export_has_the_signatures_of_vectors_and_no_table_of_them_or_of_numbers(tmp_path, monkeypatch):
    import tensorflow as tf

    streaming = model(in_memory=False)
    exported = export_model(streaming, tmp_path / "vectors", label_names=NumberedNames(CLASSES))
    signatures = tf.saved_model.load(str(exported.path)).signatures
    assert set(signatures) == {"serving_default", "features"}
    graph = signatures["serving_default"].graph.as_graph_def()
    assert not any("_XlaMustCompile" in function.attr and function.attr["_XlaMustCompile"].b
                   for function in graph.library.function)  # a model server may have no XLA
    found = {name: value.numpy() for name, value in signatures["serving_default"](vectors=tf.constant(X)).items()}
    classes, _, shares = expected(streaming)

    np.testing.assert_array_equal(found["top_classes"], classes)
    assert found["top_labels"].tolist() == [[b"%d" % each for each in row] for row in classes]
    assert found["label"].tolist() == [b"%d" % row[0] for row in classes]
    assert (exported.path / "assets.extra" / "labels.txt").read_text().split() == list(NumberedNames(CLASSES))
    constants = [tf.make_ndarray(node.attr["value"].tensor) for function in graph.library.function
                 for node in function.node_def if node.op == "Const"]
    assert constants and not any(each.dtype == object and each.size > 1 for each in constants)
    np.testing.assert_allclose(found["top_probabilities"], shares, rtol=1e-4)
    card = json.loads((exported.path / "assets.extra" / "model_card.json").read_text())
    assert card["model"]["image_shape"] == [DIM] and "pictures" not in card["model"]
    assert card["model"]["label_names"] == {"numbered": CLASSES}
    assert ", ".join(NumberedNames(CLASSES)) in (exported.path / "assets.extra" / "model_card.md").read_text()
    assert card["model"]["head"]["class_vectors_shape"] == [CLASSES, 32]
    assert set(card["self_check"]["largest_difference"]) == {"top_logits", "top_probabilities", "features", "embedding"}
    monkeypatch.setitem(FORMATS, "onnx", dataclasses.replace(FORMATS["onnx"], packages=()))
    with pytest.raises(ArgumentError, match="is exported as a SavedModel only"):
        export_model(streaming, tmp_path / "onnx", label_names=NAMES, format="onnx")


def test_other_classes_and_labels_are_found_by_the_check():
    classes = np.array([[3, 1]])
    wanted = {"top_classes": classes, "top_logits": np.array([[2.0, 1.0]], "float32")}
    reference = Reference(X, [], wanted, {}, 1.0, NAMES)
    good = {**wanted, "top_classes": classes.astype(np.int64), "top_labels": np.array([["class 3", "class 1"]]),
            "label": np.array(["class 3"]), "class_index": np.array([3])}
    compare(good, wanted, reference)
    for wrong, says in (({"top_classes": np.array([[2, 1]])}, "class 2 instead of 3"),
                        ({"top_labels": np.array([["class 3", "class 2"]])}, "not the names"),
                        ({"class_index": np.array([1])}, "not those of the first")):
        with pytest.raises(Mismatch, match=says):
            compare({**good, **wrong}, wanted, reference)


def test_rows_of_predictions_come_from_the_best_classes():
    outputs = {"top_classes": np.array([[3, 1]]), "top_labels": np.array([["cat", "dog"]]),
               "top_probabilities": np.array([[0.7, 0.2]])}
    one, two = Predictions(1), Predictions(2)
    for each in (one, two):
        each.add([{"file": "a"}], outputs)
    assert one.rows() == [{"file": "a", "label": "cat", "class_index": 3, "probability": 0.7}]
    assert two.rows()[0]["top"][1] == {"label": "dog", "class_index": 1, "probability": 0.2}
    with pytest.raises(ArgumentError, match="returns its 2 best classes, not 3"):
        Predictions(3).add([{"file": "a"}], outputs)
    found = classification({**outputs, "top_labels": np.array([[b"cat", b"dog"]], object)})
    assert (found["label"], found["probability"], found["top"][1]["label"]) == ("cat", 0.7, "dog")


def test_clients_send_vectors(tmp_path):
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "set.npz", features=X, labels=np.zeros(7, int))
    np.testing.assert_array_equal(read_images(tmp_path / "x.npy"), X)
    np.testing.assert_array_equal(read_images(tmp_path / "set.npz"), X)
    assert [len(batch) for batch in image_batches(checked_vectors(X.astype("float16")), 3)] == [3, 3, 1]
    np.save(tmp_path / "whole.npy", X.astype("uint8"))
    with pytest.raises(DataError, match="or vectors"):
        read_images(tmp_path / "whole.npy")
    with pytest.raises(ArgumentError, match=r"vectors has shape \(6,\)"):
        checked_vectors(X[0])
