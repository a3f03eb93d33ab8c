"""The runtimes of exported models: TensorFlow, onnxruntime, ai-edge-litert, each as a function of NumPy arrays."""
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fixhead_serving.export.reference import Array

Ask = Callable[[Any], Mapping[str, Array]]
"""From images (N, H, W, 3) as float32, or the bytes of N pictures, to the answers by name."""


def asking(signature: Any) -> Ask:
    """Returns a function that calls a signature of a loaded SavedModel."""
    import tensorflow as tf

    ((name, specification),) = signature.structured_input_signature[1].items()

    def ask(inputs: Any) -> dict[str, Array]:
        answer = signature(**{name: tf.constant(inputs, specification.dtype)})
        return {name: np.asarray(value.numpy()) for name, value in answer.items()}

    return ask


def load_onnx(path: Path) -> tuple[Ask, str]:
    """Returns a function that runs an ONNX file, and the runtime's name and version."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def ask(images: Array) -> Mapping[str, Array]:
        return dict(zip(names, session.run(None, {session.get_inputs()[0].name: images}), strict=True))

    return ask, f"onnxruntime {onnxruntime.__version__}"


def load_litert(path: Path) -> tuple[Ask, str]:
    """Returns a function that runs a LiteRT file, and the runtime's name and version."""
    from importlib.metadata import version

    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    run = interpreter.get_signature_runner()
    (name,) = run.get_input_details()

    def ask(images: Array) -> Mapping[str, Array]:
        # the runner returns views of memory that its next call overwrites
        return {key: np.array(value) for key, value in run(**{name: images}).items()}

    return ask, f"ai-edge-litert {version('ai-edge-litert')}"
