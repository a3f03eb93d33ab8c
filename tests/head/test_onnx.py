"""Frozen class vectors in an ONNX file: .ci/long installs the extra [onnx]."""
import keras
import numpy as np
import pytest

from keras_fixhead.head import HypersphereHead
from keras_fixhead.vectors import class_vectors

pytestmark = pytest.mark.long


@pytest.mark.parametrize("logits", ["cos", "dot"])
def test_the_file_has_the_exact_frozen_class_vectors_and_gives_the_models_logits(tmp_path, logits):
    import onnx
    import onnxruntime

    features = np.random.default_rng(0).normal(size=(6, 8)).astype("float32")
    inputs = keras.Input((8,))
    x = keras.layers.Dense(16, activation="relu")(inputs)
    model = keras.Model(inputs, HypersphereHead(5, logits=logits, scale=3.0, seed=1)(x))
    expected = model.predict(features, verbose=0)  # Keras can only export a model that has been called
    model.export(tmp_path / "m.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    (found,) = session.run(None, {session.get_inputs()[0].name: features})

    np.testing.assert_allclose(found, expected, atol=3e-6)
    drawn = class_vectors("uniform", 5, 16, 1)
    arrays = [onnx.numpy_helper.to_array(each) for each in onnx.load(tmp_path / "m.onnx").graph.initializer]
    assert any(np.array_equal(array, drawn) or np.array_equal(array, drawn.T) for array in arrays)
