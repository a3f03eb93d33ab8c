"""The suite's own model: two versions of a few small signatures, and the server configuration for them.

It is written with plain TensorFlow and common ops, and every input whose shape matters goes through `ensure_shape`, so
that none of the suite's requests can crash a real server.
"""

import shlex
from pathlib import Path
from typing import Any

from keras_fixhead.errors import ArgumentError

NAME = "conformance"
LABELS = {"stable": 1, "canary": 2}
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint32", "uint64")

MODELS_CONFIG = f"""\
# Labels need loaded versions, and none is when a server starts: so it needs
# --allow_version_labels_for_unavailable_models=true
model_config_list {{
  config {{
    name: "{NAME}"
    base_path: "/models/{NAME}"
    model_platform: "tensorflow"
    model_version_policy {{ specific {{ versions: 1 versions: 2 }} }}
    version_labels {{ key: "stable" value: {LABELS["stable"]} }}
    version_labels {{ key: "canary" value: {LABELS["canary"]} }}
  }}
}}
"""


def make_models(directory: Path) -> Path:
    """Writes versions 1 and 2 of the model and `models.config` into a folder, and returns the model's base path.

    Args:
        directory: an existing or new folder that does not contain a `conformance` folder.

    Raises:
        ArgumentError: if the `conformance` folder already exists.
    """
    import tensorflow as tf

    base = directory / NAME
    try:
        base.mkdir(parents=True)
    except FileExistsError:
        raise ArgumentError(f"'{base}' already exists.", hint=f"Serve it: {serve_line(base)}") from None
    for version, offset in ((1, 2.0), (2, 3.0)):
        functions = _functions(tf, offset)
        module = tf.Module()
        module.functions = functions
        tf.saved_model.save(module, str(base / str(version)), signatures=functions)
    (directory / "models.config").write_text(MODELS_CONFIG, encoding="utf-8")
    return base


def serve_line(base: Path | str) -> str:
    """Returns the command that serves the model for the suite."""
    labels = (f"--label {label}={version}" for label, version in LABELS.items())
    return f"fixhead serve {shlex.quote(str(base))} --versions all {' '.join(labels)}"


def _functions(tf: Any, offset: float) -> dict[str, Any]:
    def signature(function: Any, **inputs: Any) -> Any:
        specs = {name: tf.TensorSpec(shape, dtype, name=name) for name, (dtype, shape) in inputs.items()}
        return tf.function(function, autograph=False).get_concrete_function(**specs)

    vector, matrix = [None], [None, None]
    made = {
        # Version 1 is half plus two, version 2 is half plus three.
        "serving_default": signature(lambda x: {"y": 0.5 * x + offset}, x=(tf.float32, vector)),
        "float": signature(lambda x: {"y": tf.identity(x)}, x=(tf.float32, vector)),
        "double": signature(lambda x: {"y": tf.identity(x)}, x=(tf.float64, vector)),
        "matrix": signature(lambda x: {"y": tf.identity(x)}, x=(tf.float32, matrix)),
        "scalar": signature(lambda x: {"y": x + 1.0}, x=(tf.float32, [])),
        "guarded": signature(
            lambda x: {"y": tf.reduce_sum(tf.ensure_shape(x, [None, 2, 3]), [1, 2])}, x=(tf.float32, [None, 2, 3])
        ),
        "bool": signature(lambda x: {"y": tf.logical_not(x)}, x=(tf.bool, vector)),
        "text": signature(lambda x: {"y": tf.identity(x)}, x=(tf.string, vector)),
        "text_matrix": signature(lambda x: {"y": tf.identity(x)}, x=(tf.string, matrix)),
        "bytes": signature(lambda x: {"y_bytes": tf.identity(x)}, x=(tf.string, vector)),
        "pair": signature(
            lambda a, b: {"sum": a + tf.cast(tf.reduce_sum(b, 1), tf.float32), "b": tf.identity(b)},
            a=(tf.float32, vector),
            b=(tf.int32, [None, 2]),
        ),
        "several": signature(_several(tf), x=(tf.float32, vector)),
        "one_named": signature(lambda x: {"y": tf.identity(x), "z": -x}, x=(tf.float32, vector)),
        "unlike_batches": signature(lambda x: {"y": tf.identity(x), "table": tf.range(5)}, x=(tf.float32, vector)),
        "no_batch": signature(lambda x: {"y": tf.reduce_sum(x)}, x=(tf.float32, vector)),
        "half_input": signature(lambda x: {"y": tf.cast(x, tf.float32)}, x=(tf.float16, vector)),
        "half_output": signature(lambda x: {"y": tf.cast(x, tf.float16)}, x=(tf.float32, vector)),
        "complex_output": signature(lambda x: {"y": tf.cast(x, tf.complex64)}, x=(tf.float32, vector)),
    }
    for name in INTEGERS:
        made[name] = signature(lambda x: {"y": tf.identity(x)}, x=(getattr(tf, name), vector))
    return made


def _several(tf: Any) -> Any:
    def function(x: Any) -> dict[str, Any]:
        names = tf.constant(["negative", "positive"])
        index = tf.cast(x > 0, tf.int64)
        return {
            "double": 2.0 * x,
            "index": index,
            "label": tf.gather(names, index),
            "label_bytes": tf.gather(names, index),
            "positive": x > 0,
        }

    return function
