"""Reference pictures and expected answers, kept with an exported model so that it can be checked anywhere.

Written with the Keras model; read where Keras may not be installed: reading and comparing need only NumPy.
"""
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_fixhead.class_names import NumberedNames
from keras_fixhead.data.pictures import PictureForm, in_channels, picture_array

PICTURES = 5
TOLERANCE = 1e-4
FILE = "self_check.npz"

Array = NDArray[Any]


@dataclass(frozen=True)
class Reference:
    """Pictures with the answers of a model.

    Attributes:
        images: uint8 (N, H, W, 3), of the model's size; or vectors, float32 (N, D).
        pictures: encoded pictures of any size and kind; uint8 arrays (h, w, 3) in files of earlier versions.
        of_images: the answers for `images`, by name, with the batch dimension first.
        of_pictures: the answers for `pictures`, as Python decodes and fits them.
        scale: S, the factor on the logits; rounding errors of a logit grow with it.
        label_names: one name per class.
        temperature: T, by which logits were divided before they became probabilities.
    """

    images: NDArray[Any]
    pictures: Sequence[bytes | NDArray[np.uint8]]
    of_images: Mapping[str, Array]
    of_pictures: Mapping[str, Array]
    scale: float
    label_names: Sequence[str]
    temperature: float = 1.0


class Mismatch(Exception):
    """An answer that differs from the expected one."""


def draw_figures(height: int, width: int) -> tuple[NDArray[np.uint8], list[NDArray[np.uint8]]]:
    """Returns five pictures of a size, and five of larger and smaller sizes: noise on colour gradients."""
    draw = np.random.default_rng(0)  # the noise need not be reproducible: the pictures are stored

    def picture(number: int, height: int, width: int) -> NDArray[np.uint8]:
        slope = np.linspace(0, 190, width) if number % 2 else np.linspace(190, 0, height)[:, None]
        shades = np.broadcast_to(slope, (height, width))[:, :, None] * np.roll([1.0, 0.7, 0.4], number)
        return (shades + draw.integers(0, 64, (height, width, 3))).astype(np.uint8)

    sizes = [(2 * height + 1, width + 7), (height, 3 * width), (height // 2 + 1, width // 2 + 1), (4 * height, width),
             (height + 5, width // 2 + 3)]
    return (np.stack([picture(number, height, width) for number in range(PICTURES)]),
            [picture(PICTURES + number, *size) for number, size in enumerate(sizes)])


def encoded_pictures(others: Sequence[NDArray[np.uint8]]) -> list[bytes]:
    """Returns arrays as PNG files, and one of them in each other format and kind of pixels that servers decode."""
    from PIL import Image

    def encoded(picture: Image.Image, format: str = "PNG", **options: Any) -> bytes:
        file = io.BytesIO()
        picture.save(file, format, **options)
        return file.getvalue()

    picture = Image.fromarray(others[0])
    alpha = picture.copy()
    alpha.putalpha(Image.fromarray(others[0][:, :, 0]))
    deep = Image.fromarray(others[0][:, :, 0].astype(np.uint16) * 257)
    portrait = Image.Exif()
    portrait[0x0112] = 6  # its orientation: turned to the right
    return [*(encoded(Image.fromarray(other)) for other in others),
            *(encoded(picture.convert(mode)) for mode in ("L", "P", "1")), encoded(alpha), encoded(alpha.convert("LA")),
            encoded(deep), encoded(picture, "BMP"), encoded(picture.convert("P"), "BMP"), encoded(picture, "GIF"),
            encoded(alpha, "WEBP"), encoded(picture, "WEBP", exif=portrait), encoded(picture, exif=portrait),
            *(encoded(picture, "JPEG", quality=quality, exif=portrait) for quality in (75, 95)),
            encoded(picture.convert("L"), "JPEG"), encoded(picture.convert("CMYK"), "JPEG")]


def ask_model(model: Any, scale: float, label_names: Sequence[str], form: PictureForm | None,
              temperature: float = 1.0) -> Reference:
    """Returns pictures or vectors with a float32 Keras model's answers, computed on the CPU like the check.

    Args:
        model: a model from `answers_model`.
        scale: S.
        label_names: one name per class.
        form: how pictures become arrays; None for a model that takes vectors.
        temperature: T.
    """
    if form is None:
        vectors = np.random.default_rng(0).normal(size=(PICTURES, model.input_shape[1])).astype(np.float32)
        return Reference(vectors, [], answers_of(model, vectors), {}, scale, label_names, temperature)
    images, others = draw_figures(form.height, form.width)
    pictures = encoded_pictures(others)
    pixels = np.stack([picture_array(content, "a reference picture", form) for content in pictures])
    images = in_channels(images, form.channels)
    return Reference(images, pictures, answers_of(model, images), answers_of(model, pixels), scale, label_names,
                     temperature)


def answers_of(model: Any, images: NDArray[Any]) -> dict[str, Array]:
    """Returns the answers of a model from `answers_model` to uint8 images or vectors, computed on the CPU."""
    import keras

    with keras.device("cpu:0"):
        return {name: np.asarray(keras.ops.convert_to_numpy(value))
                for name, value in model(images.astype(np.float32), training=False).items()}


def write_reference(path: Path, reference: Reference) -> None:
    """Writes a reference to a compressed file of NumPy arrays."""
    arrays: dict[str, Any] = {
        "images": reference.images, "scale": np.float64(reference.scale),
        "temperature": np.float64(reference.temperature),
        "label_names": _names_to_array(reference.label_names),
        **{f"picture/{number:03}": np.frombuffer(each, np.uint8) if isinstance(each, bytes) else each
           for number, each in enumerate(reference.pictures)},
        **{f"of_images/{name}": value for name, value in reference.of_images.items()},
        **{f"of_pictures/{name}": value for name, value in reference.of_pictures.items()}}
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_reference(path: Path) -> Reference:
    """Returns the reference in a file."""
    with np.load(path, allow_pickle=False) as file:
        def group(name: str) -> dict[str, Array]:
            return {key.partition("/")[2]: file[key] for key in file.files if key.startswith(f"{name}/")}

        pictures = [value.tobytes() if value.ndim == 1 else value  # earlier versions had arrays, called others
                    for _, value in sorted((group("picture") or group("other")).items())]
        return Reference(file["images"], pictures, group("of_images"), group("of_pictures") or group("of_others"),
                         float(file["scale"]), _names_from_array(file["label_names"]),
                         float(file["temperature"]) if "temperature" in file.files else 1.0)


def _names_to_array(names: Sequence[str]) -> Array:
    """The text of names, or the number of classes that have none."""
    if isinstance(names, NumberedNames):
        return np.array(len(names))
    return np.frombuffer("\n".join(names).encode(), np.uint8)


def _names_from_array(array: Array) -> Sequence[str]:
    return NumberedNames(int(array)) if array.ndim == 0 else array.tobytes().decode().split("\n")


def compare(found: Mapping[str, Array], expected: Mapping[str, Array], reference: Reference) -> dict[str, float]:
    """Returns the largest difference for each float answer.

    Logits and probabilities may differ by 1e-4 max(1, S), with S divided by a temperature below 1 for probabilities;
    other answers by 1e-4; larger answers (features, dot logits)
    by 1e-4 of the largest.

    Args:
        found: answers by name; (N, ...), strings as bytes.
        expected: float answers by name; its logits determine class and label. It may have more rows.
        reference: provides S and the label names.

    Raises:
        Mismatch: if names, types, shapes or values differ.
    """
    classes = {"class_index", "label", "top_labels"} & set(found)
    if set(found) - classes != set(expected):
        raise Mismatch(f"it answers {', '.join(sorted(found))} instead of {', '.join(sorted(expected))}")
    differences = {}
    for name, wanted in expected.items():
        if name == "top_classes":
            continue
        value = np.asarray(found[name])
        if value.dtype != np.float32:
            raise Mismatch(f"{name} is {value.dtype}, not float32")
        wanted = wanted[:len(value)]
        if value.shape != wanted.shape:
            raise Mismatch(f"{name} has shape {value.shape}, not {wanted.shape}")
        if not (np.isfinite(wanted).all() and np.isfinite(value).all()):
            raise Mismatch(f"{name} has values that are not finite")
        largest = float(np.abs(value - wanted).max(initial=0.0))
        allowed = tolerance(name, wanted, reference.scale, reference.temperature)
        if largest > allowed:
            raise Mismatch(f"{name} differs by {largest:.1e}, allowed {allowed:.1e}")
        differences[name] = largest
    if "top_classes" in found:
        _compare_best(found, expected, reference)
    elif classes:
        _compare_classes(found, reference)
    return differences


def tolerance(name: str, expected: Array, scale: float, temperature: float = 1.0) -> float:
    """Returns the allowed difference of an answer; a temperature below 1 enlarges that of probabilities."""
    scales = {"logits": scale, "top_logits": scale, "top_probabilities": scale,
              "probabilities": scale / min(1.0, temperature)}
    unit = max(1.0, scales.get(name, 1.0))
    return TOLERANCE * max(unit, float(np.abs(expected).max(initial=0.0)))


def _compare_best(found: Mapping[str, Array], expected: Mapping[str, Array], reference: Reference) -> None:
    """The best classes must be the expected ones, except among logits that are equal up to rounding."""
    classes, logits = np.asarray(found["top_classes"]), np.asarray(found["top_logits"])
    wanted, levels = (np.asarray(expected[name])[:len(classes)] for name in ("top_classes", "top_logits"))
    near = tolerance("top_logits", levels, reference.scale)
    for row, rank in np.argwhere(classes != wanted):
        same = np.flatnonzero(wanted[row] == classes[row, rank])
        level = levels[row, same[0]] if len(same) else levels[row, -1]
        if abs(float(level) - float(logits[row, rank])) > 2 * near:
            raise Mismatch(f"top_classes has class {classes[row, rank]} instead of {wanted[row, rank]}")
    if "label" not in found:
        return
    names = [[each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each) for each in some]
             for some in np.asarray(found["top_labels"]).tolist()]
    if names != [[reference.label_names[each] for each in some] for some in classes]:
        raise Mismatch("top_labels are not the names of top_classes")
    firsts = [each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each)
              for each in np.asarray(found["label"]).tolist()]
    if not np.array_equal(found["class_index"], classes[:, 0]) or firsts != [some[0] for some in names]:
        raise Mismatch("class_index and label are not those of the first of top_classes")


def _compare_classes(found: Mapping[str, Array], reference: Reference) -> None:
    """Class and label must belong to the largest logit found, which has already been compared with the expected."""
    index, label = np.asarray(found["class_index"]), np.asarray(found["label"])
    if index.dtype != np.int64:
        raise Mismatch(f"class_index is {index.dtype}, not int64")
    if not np.array_equal(index, np.asarray(found["logits"]).argmax(axis=1)):
        raise Mismatch("class_index is not that of the largest logit")
    names = [each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each) for each in label.tolist()]
    if names != [reference.label_names[each] for each in index]:
        raise Mismatch(f"label is {', '.join(names)} for the classes {', '.join(map(str, index))}")
