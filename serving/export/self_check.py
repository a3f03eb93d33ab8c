"""Checks an exported model in a separate process, from its files alone: without Keras and without the model's code.

    python -m fixhead_serving.export.self_check DIR/1 [PICTURES.npz]

It needs NumPy and the runtime of the file: any version of TensorFlow, onnxruntime or ai-edge-litert. So operators can
run it with their server's version. It prints each step before it starts, then one JSON object; it exits with 0 if the
model answers as it did when it was exported, otherwise with 1 and a line on standard error. PICTURES.npz has further
pictures and their answers, from `reference.write_reference`: an export checks the run's own files with it.
"""
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fixhead_serving import warmup
from fixhead_serving.export import reference as kept
from fixhead_serving.export.formats import CLASSIFY, FEATURES, SIGNATURES, VECTOR_SIGNATURES
from fixhead_serving.export.reference import Array, Mismatch, Reference, compare
from fixhead_serving.export.runtimes import Ask, asking, load_litert, load_onnx
from keras_fixhead import lean_import

TIMED_BATCH = 32
_TIMED_SECONDS = 0.5
ANIMATED_WEBP = bytes.fromhex(
    "524946468400000057454250565038580a000000020000003f00003f0000414e494d06000000000000000000414e4d462800"
    "00000000000000003f00003f0000000000025650384c0f0000002f3fc00f000710fd8ffe0722a2ff0100414e4d4628000000"
    "0000000000003f00003f0000000000005650384c0f0000002f3fc00f000710d1fffe0722a2ff0100")
"""Two frames of 64x64 pixels: TensorFlow's own decoder writes both of them into memory for one."""


def main(arguments: Sequence[str]) -> int:
    if len(arguments) not in (1, 2):
        print("usage: python -m fixhead_serving.export.self_check DIR/N [PICTURES.npz]", file=sys.stderr)  # noqa: T201
        return 2
    try:
        own = Path(arguments[1]) if arguments[1:] else None
        report = check(Path(arguments[0]), own, say=lambda what: print(what, flush=True))  # noqa: T201
    except (Mismatch, OSError) as problem:
        print(str(problem), file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps(report))  # noqa: T201
    return 0


def check(folder: Path, own: Path | None = None, say: Callable[[str], None] = lambda what: None) -> dict[str, Any]:
    """Checks an exported model and returns the measurements.

    Args:
        folder: a version folder.
        own: a file of further pictures and answers, for a SavedModel.
        say: called with each step before it starts, because a model may crash the process.

    Raises:
        Mismatch: if the model does not answer as it did when it was exported.
    """
    say("reading the files")
    if (folder / "saved_model.pb").is_file():
        return _check_saved_model(folder, own, say)
    for name, load in (("model.onnx", load_onnx), ("model.tflite", load_litert)):
        if (folder / name).is_file():
            reference = kept.read_reference(folder / kept.FILE)
            ask, runtime = load(folder / name)
            largest = _check_answers(ask, _floats(reference.images), reference.of_images, reference, name, say)
            say("timing")
            return {"runtime": runtime, "largest_difference": largest, **_speed(ask, reference)}
    raise Mismatch(f"{folder} has no saved_model.pb, model.onnx or model.tflite")


def _check_saved_model(folder: Path, own: Path | None, say: Callable[[str], None]) -> dict[str, Any]:
    with lean_import.without(*lean_import.TENSORFLOW):
        import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    reference = kept.read_reference(folder / "assets.extra" / kept.FILE)
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    if found := foreign_parts(saved):
        raise Mismatch(f"the graph has operations that a stock server cannot run: {', '.join(found)}")
    say("loading")
    try:
        loaded = tf.saved_model.load(str(folder))
    except Exception as error:  # TensorFlow raises many kinds for damaged or incompatible files
        raise Mismatch(f"it cannot be loaded: {_first_line(error)}") from error
    of_pictures = reference.images.ndim == 4
    names = SIGNATURES if of_pictures else VECTOR_SIGNATURES
    if missing := set(names) - set(loaded.signatures):
        raise Mismatch(f"it has no signature {', '.join(sorted(missing))}")
    ask = {name: asking(loaded.signatures[name]) for name in names}
    for name in names:
        _check_types(name, loaded.signatures[name])

    images = _floats(reference.images)
    pngs, pictures = ([each if isinstance(each, bytes) else tf.io.encode_png(each).numpy() for each in some]
                      for some in ((reference.images, reference.pictures) if of_pictures else ((), ())))
    classes = _part(reference.of_images, CLASSIFY)
    checks: list[tuple[str, Any, dict[str, Array], str]] = [
        ("serving_default", images, classes, "images"),
        ("features", images, _part(reference.of_images, FEATURES), "images")]
    if of_pictures:
        checks += [("serving_bytes", pngs, classes, "pictures of the model's size"),
                   ("serving_bytes", pictures, _part(reference.of_pictures, CLASSIFY),
                    "pictures of other sizes and kinds")]
    if own is not None:
        mine = kept.read_reference(own)
        checks.append(("serving_bytes", mine.pictures, _part(mine.of_pictures, CLASSIFY), "the run's own pictures"))
    largest: dict[str, float] = {}
    for signature, inputs, expected, of in checks:
        differences = _check_answers(ask[signature], inputs, expected, reference, f"{signature} on {of}", say)
        largest |= {name: max(largest.get(name, 0.0), each) for name, each in differences.items()}
    records = _check_warm_up(folder, loaded, names, say)
    say("timing")
    speed = _speed(ask["serving_default"], reference)
    _check_guards(ask, images.shape[1:], say)
    return {"runtime": f"tensorflow {tf.__version__}", "largest_difference": largest, "warm_up_requests": records,
            "pictures": len(pngs) + len(pictures), "own_pictures": 0 if own is None else len(mine.pictures), **speed}


def foreign_parts(saved_model: Any) -> list[str]:
    """Returns the names of the operations and attributes in a SavedModel that a stock server cannot run.

    Those are Python functions, which only exist in the process that defined them, and anything that XLA must compile,
    because servers run without XLA. (Operations of other libraries are found when loading the model without them.)

    Args:
        saved_model: the parsed saved_model.pb.
    """
    found = set()
    for meta_graph in saved_model.meta_graphs:
        graph = meta_graph.graph_def
        functions = graph.library.function
        for node in (*graph.node, *(node for function in functions for node in function.node_def)):
            if node.op in _PYTHON_OPERATIONS or node.op.startswith("Xla"):
                found.add(node.op)
            found |= _compiled(node.attr)
        for function in functions:
            found |= _compiled(function.attr)
    return sorted(found)


_PYTHON_OPERATIONS = {"PyFunc", "PyFuncStateless", "EagerPyFunc", "NumpyFunction"}
_COMPILED = ("_XlaMustCompile", "_XlaCompile", "jit_compile")


def _compiled(attributes: Mapping[str, Any]) -> set[str]:
    return {name for name in _COMPILED if name in attributes and attributes[name].b}


def _check_types(name: str, signature: Any) -> None:
    """Outputs must be float32, integers or text, with one row per input."""
    for output, tensor in signature.structured_outputs.items():
        if tensor.dtype.name not in ("float32", "int64", "string"):
            raise Mismatch(f"{name}: {output} is {tensor.dtype.name}")
        if tensor.shape.rank is None or tensor.shape.rank < 1 or tensor.shape[0] is not None:
            raise Mismatch(f"{name}: {output} has shape {tensor.shape}: its first dimension is not the batch")


def _check_answers(ask: Ask, inputs: Any, expected: Mapping[str, Array], reference: Reference, what: str,
                   say: Callable[[str], None]) -> dict[str, float]:
    """Checks batches of 1 and of all pictures."""
    largest: dict[str, float] = {}
    for size in sorted({1, len(inputs)}):
        batch = f"{what}, a batch of {size}"
        say(batch)
        try:
            differences = compare(ask(inputs[:size]), expected, reference)
        except Mismatch as problem:
            raise Mismatch(f"{batch}: {problem}") from None
        except Exception as error:  # whatever the runtime raises
            raise Mismatch(f"{batch}: {_first_line(error)}") from error
        largest |= {name: max(largest.get(name, 0.0), each) for name, each in differences.items()}
    return largest


def _check_warm_up(folder: Path, loaded: Any, names: Iterable[str], say: Callable[[str], None]) -> int:
    """Runs the warm-up requests: a server treats a model whose warm-up fails as broken."""
    import tensorflow as tf

    count, asked = 0, set()
    try:
        for signature, inputs in warmup.read_requests(folder / warmup.FILE):
            say(f"warm-up request {count + 1}")
            loaded.signatures[signature](**{name: tf.constant(value) for name, value in inputs.items()})
            asked.add(signature)
            count += 1
    except Exception as error:
        raise Mismatch(f"warm-up request {count + 1}: {_first_line(error)}") from error
    if asked != set(names):
        raise Mismatch(f"there are warm-up requests for {', '.join(sorted(asked)) or 'nothing'} only")
    return count


def _check_guards(ask: Mapping[str, Ask], shape: tuple[int, ...], say: Callable[[str], None]) -> None:
    """An image of a wrong size must be refused, not answered.

    One of a wrong rank, and an animated WebP, must not crash the process.
    """
    import tensorflow as tf

    if len(shape) == 1:
        wrongs: Any = ((1, shape[0] + 1), (1, 1, *shape), shape)
    else:
        height, width, channels = shape
        wrongs = ((1, height + 1, width, channels), (1, height, width, 4 - channels), shape)
    images = [np.zeros(wrong, np.float32) for wrong in wrongs]
    for name, wrong_inputs in (("serving_default", images), ("features", images),
                               ("serving_bytes", [np.array([[b""]], object), np.array([b"no picture"], object),
                                                  np.array([ANIMATED_WEBP], object)])):
        if name not in ask:
            continue
        for wrong in wrong_inputs:
            what = f"inputs of shape {wrong.shape}" if wrong.size != 1 or wrong.ndim != 1 else (
                "an animated WebP" if wrong[0] == ANIMATED_WEBP else "what is not a picture")
            say(f"{name} must refuse {what}")
            try:
                ask[name](wrong)
            except tf.errors.InvalidArgumentError:
                continue
            raise Mismatch(f"{name} answers {what}")


def _speed(ask: Ask, reference: Reference) -> dict[str, Any]:
    """Images per second on this machine, roughly: as many batches as fit into half a second, after a first one."""
    images = _floats(np.resize(reference.images, (TIMED_BATCH, *reference.images.shape[1:])))
    ask(images)
    start, batches, seconds = time.perf_counter(), 0, 0.0
    while seconds < _TIMED_SECONDS:
        ask(images)
        batches += 1
        seconds = time.perf_counter() - start
    return {"batch": len(reference.images), "images_per_second": batches * TIMED_BATCH / seconds,
            "timed_batch": TIMED_BATCH, "timed_batches": batches}


def _part(answers: Mapping[str, Array], names: Iterable[str]) -> dict[str, Array]:
    return {name: answers[name] for name in names if name in answers}


def _floats(images: Array) -> Array:
    return images.astype(np.float32)


def _first_line(error: Exception) -> str:
    """The first informative line of an error: TensorFlow starts with some that are not."""
    noise = ("Graph execution error", "Detected at node", "<stack traces")
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith(noise)]
    return (lines or [type(error).__name__])[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
