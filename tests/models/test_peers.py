"""Our networks compared with torch.nn versions, layer by layer, with random weights copied over.

PyTorch runs in a separate process, with the interpreter named by FIXHEAD_PEERS_PYTHON.
"""
import json
import math
import os
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_fixhead.models import FusedBatchNormalization, WhiteningConvolution, build_model, feature_model

pytestmark = pytest.mark.long

WORKER = Path(__file__).parents[2] / "benchmarks" / "torch_networks.py"
DRAW = np.random.default_rng(0)


def ask_torch(folder, meta, images, weights):
    np.savez(folder / "in.npz", meta=np.array(json.dumps(meta)), images=images, **weights)
    interpreter = os.environ["FIXHEAD_PEERS_PYTHON"]  # a missing key is an error: nothing is skipped silently
    done = subprocess.run([interpreter, str(WORKER), str(folder / "in.npz"), str(folder / "out.npz")],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "out.npz") as file:
        return dict(file)


def randomize(model):
    """Sets random weights, with kernels small enough that features stay of order 1."""
    arrays = {}
    for layer in model.layers:
        if not isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.BatchNormalization,
                                  WhiteningConvolution)):
            continue
        for weight in layer.weights:
            if weight.name in ("kernel", "depthwise_kernel"):
                fan_in = 9 if weight.name == "depthwise_kernel" else math.prod(weight.shape[:3])
                array = DRAW.normal(size=weight.shape) * math.sqrt(2 / fan_in)
            elif weight.name == "moving_variance":
                array = DRAW.uniform(0.5, 1.5, weight.shape)
            else:
                array = DRAW.normal(size=weight.shape) * 0.1 + (weight.name == "gamma")
            weight.assign(array.astype("float32"))
            name = "kernel" if weight.name == "depthwise_kernel" else weight.name
            arrays[f"{layer.name}/{name}"] = array.astype("float32")
    return arrays


@pytest.mark.parametrize("normalization", [keras.layers.BatchNormalization, FusedBatchNormalization])
@pytest.mark.parametrize("name, signed, width, side", [
    ("resnet18", False, 1.0, 32), ("resnet18", False, 0.25, 96), ("resnet18", True, 0.25, 33),
    ("preact_resnet18", True, 0.25, 32), ("preact_resnet18", False, 0.25, 96),
    ("mobilenet_v2", False, 0.25, 32), ("mobilenet_v2", False, 1.0, 32), ("mobilenet_v2", True, 0.25, 96),
    ("fast_cnn", False, 1.0, 32), ("fast_cnn", False, 0.25, 33), ("fast_cnn", True, 0.25, 96),
])
def test_shapes_counts_and_features_match_torch(name, signed, width, side, normalization, tmp_path):
    model = build_model(name, (side, side, 3), 10, width=width, signed_features=signed, normalization=normalization,
                        mean=0.0, std=1.0)
    weights = randomize(model)
    images = DRAW.normal(size=(4, side, side, 3)).astype("float32")
    theirs = ask_torch(tmp_path, {"name": name, "width": width, "signed_features": signed}, images, weights)

    backbone = [weight for weight in model.trainable_weights if "head" not in weight.path]
    assert sum(math.prod(weight.shape) for weight in backbone) == theirs["parameters"]
    statistics = [weight for weight in model.non_trainable_weights if weight.name.startswith("moving")]
    assert sum(math.prod(weight.shape) for weight in statistics) == theirs["statistics"]

    names = [key.removeprefix("shape/") for key in theirs if key.startswith("shape/")]
    ours = {layer.name: layer for layer in model.layers}
    assert {key.split("/")[0] for key in weights} == set(names)
    for layer in names:
        # our strided convolution may be subsampling followed by one without strides
        last = ours.get(f"{layer}_subsample", ours[layer])
        last = ours[layer] if isinstance(ours[layer], keras.layers.Conv2D) else last
        assert (4, *last.output.shape[1:]) == tuple(theirs[f"shape/{layer}"]), layer

    features = feature_model(model)
    for training, expected in ((False, theirs["features"]), (True, theirs["features_training"])):
        found = keras.ops.convert_to_numpy(features(images, training=training))
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max(), rtol=0)
