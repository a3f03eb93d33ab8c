"""Size and decoding time of CIFAR-10's test images in lossless formats that a packed data set could use.

    python benchmarks/data_formats.py DIR      # the folder that contains CIFAR-10, prepared or packed

Processor time of one thread. PNG and WebP use sheets of 10 by 10 images, because larger pictures compress better.
"""
import argparse
import io
import lzma
import time
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from report import RESULTS, measurement, out_option, write_report

from keras_fixhead.data import load_dataset
from keras_fixhead.data.packed import decode_images, encode_images

Images = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", metavar="DIR", help="folder of prepared or packed data sets")
    parser.add_argument("--rounds", type=int, default=7)
    out_option(parser, RESULTS / "data_formats.json")
    options = parser.parse_args()
    images = load_dataset("cifar10", options.folder).test.images
    blocks = [images[start : start + 1_000] for start in range(0, len(images), 1_000)]
    coded = {name: [encode(block) for block in blocks] for name, (encode, _) in FORMATS.items()}
    seconds: dict[str, list[float]] = {name: [] for name in FORMATS}
    for _ in range(options.rounds):
        for name, (_, decode) in FORMATS.items():
            start = time.process_time()
            back = [decode(block) for block in coded[name]]
            seconds[name].append(time.process_time() - start)
            assert (np.concatenate(back) == images).all(), name
    write_report(options.out, [
        measurement(name=f"data_formats/{name}", metric="processor time to decode 10,000 images of CIFAR-10", unit="s",
                    values=values, warmup="none", config={"share_of_raw": sum(map(len, coded[name])) / images.nbytes})
        for name, values in seconds.items()], command="python benchmarks/data_formats.py DIR")


def with_zlib(strategy: int) -> tuple[Callable[[Images], bytes], Callable[[bytes], Images]]:
    return lambda images: encode_images(images, strategy), gradient


def gradient(block: bytes) -> Images:
    out = np.empty((1_000, 32, 32, 3), np.uint8)
    decode_images(block, out)
    return out


def sheets(images: Images) -> Images:
    """Arranges images (1000, 32, 32, 3) as ten sheets below one another, (3200, 320, 3)."""
    return images.reshape(100, 10, 32, 32, 3).transpose(0, 2, 1, 3, 4).reshape(3_200, 320, 3)


def picture(kind: str, **options: Any) -> tuple[Callable[[Images], bytes], Callable[[bytes], Images]]:
    def encode(images: Images) -> bytes:
        content = io.BytesIO()
        Image.fromarray(sheets(images)).save(content, kind, **options)
        return content.getvalue()

    def decode(block: bytes) -> Images:
        pixels = np.asarray(Image.open(io.BytesIO(block)))
        return pixels.reshape(100, 32, 10, 32, 3).transpose(0, 2, 1, 3, 4).reshape(1_000, 32, 32, 3)

    return encode, decode


def of_bytes(encode: Callable[[bytes], bytes],
             decode: Callable[[bytes], bytes]) -> tuple[Callable[[Images], bytes], Callable[[bytes], Images]]:
    return (lambda images: encode(images.tobytes()),
            lambda block: np.frombuffer(decode(block), np.uint8).reshape(-1, 32, 32, 3))


FORMATS = {
    "differences, Huffman codes alone (zlib)": with_zlib(zlib.Z_HUFFMAN_ONLY),
    "differences, zlib with repeats, level 6": with_zlib(zlib.Z_FILTERED),
    "zlib alone, level 6 (as .npz has it)": of_bytes(lambda raw: zlib.compress(raw, 6), zlib.decompress),
    "LZMA alone, level 1": of_bytes(lambda raw: lzma.compress(raw, preset=1), lzma.decompress),
    "PNG sheets": picture("PNG"),
    "WebP sheets, lossless": picture("WEBP", lossless=True, quality=50),
}

if __name__ == "__main__":
    main()
