"""A Tiny ImageNet builder for TensorFlow Datasets, which has none."""
import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

ARCHIVE = "tiny-imagenet-200.zip"
URL = f"http://cs231n.stanford.edu/{ARCHIVE}"
_ROOT = "tiny-imagenet-200"


class TinyImagenet(tfds.core.GeneratorBasedBuilder):
    """Tiny ImageNet: 200 classes of 64x64 photographs, from the official archive.

    The archive is read from the folder `downloads/manual` next to the prepared sets, or downloaded. Its validation
    images, whose labels are public, become the split 'test'; its test images have no public labels and are left out.
    Classes are in the order of their WordNet numbers, and each has the first of its names in the archive's words.txt.
    A partial archive with the same layout is prepared as it is.
    """

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> Any:
        return self.dataset_info_from_configs(
            description="Tiny ImageNet: 200 classes of 64x64 photographs.",
            features=tfds.features.FeaturesDict({
                "image": tfds.features.Image(shape=(64, 64, 3), encoding_format="png"),
                "label": tfds.features.ClassLabel(num_classes=200),
            }),
            supervised_keys=("image", "label"),
            homepage="http://cs231n.stanford.edu/",
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        path = Path(self._data_dir_root) / "downloads" / "manual" / ARCHIVE
        if not path.is_file():
            path = Path(dl_manager.download(URL))
        with zipfile.ZipFile(path) as archive:
            numbers = sorted(archive.read(f"{_ROOT}/wnids.txt").decode().split())
            lines = archive.read(f"{_ROOT}/words.txt").decode().splitlines()
            annotations = archive.read(f"{_ROOT}/val/val_annotations.txt").decode().splitlines()
        words = dict(line.split("\t", 1) for line in lines)
        names = [words[number].split(",")[0].strip().replace(" ", "_") for number in numbers]
        self.info.features["label"].names = names
        labels = {number: label for label, number in enumerate(numbers)}
        validation = dict(line.split("\t")[:2] for line in annotations)
        return {
            "train": self._generate_examples(path, "train", lambda parts: labels[parts[2]]),
            "test": self._generate_examples(path, "val", lambda parts: labels[validation[parts[-1]]]),
        }

    def _generate_examples(self, path: Path, part: str,
                           label_of: Callable[[list[str]], int]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields (name, image and label) of the JPEG files of one part of the archive."""
        import numpy as np
        from PIL import Image

        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                parts = name.split("/")
                if len(parts) > 2 and parts[1] == part and name.endswith(".JPEG"):
                    with Image.open(io.BytesIO(archive.read(name))) as picture:  # some are grey
                        pixels = np.asarray(picture.convert("RGB"))
                    yield parts[-1], {"image": pixels, "label": label_of(parts)}
