"""Corrupted images per second, against imagecorruptions and imgaug at equal parameters; and all of CIFAR-C streamed.

    pip install -e '.[imgaug]'                          # imaug and imagecorruptions-imaug
    python benchmarks/corruptions.py                    # both parts
    python benchmarks/corruptions.py --only stream      # 75 variants of 10,000 images on this machine's cores

All use one thread, except for the stream. The three take turns in one process; each round's ratio is that of
neighbouring times.
"""
import argparse
import math
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from report import RESULTS, measurement, out_option, write_report

from keras_fixhead import hardware
from keras_fixhead.robustness import SUITES, corrupt, native_suite
from keras_fixhead.robustness.corrupting import variants

SUITE = "imagenet-c"
SEVERITY = 3
OTHER_DEFINITION = "frost"
"""Not compared: the textures differ."""
Make = Callable[[NDArray[np.uint8]], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11, help="rounds per corruption; the first is not counted")
    parser.add_argument("--images", type=int, default=200, help="images per round at 32 pixels; fewer at larger sizes")
    parser.add_argument("--sides", type=int, nargs="+", default=[32, 64, 96])
    parser.add_argument("--only", choices=["peers", "stream"])
    parser.add_argument("--stream-images", type=int, default=10_000)
    out_option(parser, RESULTS / "corruptions.json")
    options = parser.parse_args()
    made: list[dict[str, Any]] = []
    if options.only != "stream":
        for side in options.sides:
            made += against_peers(side, max(20, options.images * 32 * 32 // side**2), options.rounds)
    if options.only != "peers":
        made.append(stream(options.stream_images))
    write_report(options.out, made, command="python benchmarks/corruptions.py")


def against_peers(side: int, count: int, rounds: int) -> list[dict[str, Any]]:
    """Measures every main corruption at one size, and prints the geometric means of the ratios."""
    images = pictures(count, side)
    made, middles = [], {}
    for name, entry in SUITES[SUITE].items():
        if not entry.main or name == OTHER_DEFINITION:
            continue
        rates = images_per_second(images, makers(name), rounds)
        config = {"suite": SUITE, "severity": SEVERITY, "pixels": side, "images": count}
        for who, values in rates.items():
            made.append(measurement(name=f"corruptions/{name}/{side}/{who}", metric="images corrupted, wall time",
                                    unit="images/s", values=values, warmup="one round, not counted", config=config))
        for who in ("imagecorruptions", "imgaug"):
            ratios = [ours / theirs for ours, theirs in zip(rates["native"], rates[who], strict=True)]
            each = measurement(name=f"corruptions/{name}/{side}/native over {who}", metric="ratio of images/s",
                               unit="1", values=ratios, warmup="one round, not counted", config=config)
            made.append(each)
            middles[name, who] = each["median"]
            low, high = each["quartiles"]
            print(f"{side} px, {name}: {statistics.median(rates['native']):,.0f} images/s, {each['median']:.1f} times "
                  f"{who} (quartiles {low:.1f} to {high:.1f}, n = {each['n']})", flush=True)
    for who in ("imagecorruptions", "imgaug"):
        logs = [math.log(ratio) for (_, other), ratio in middles.items() if other == who]
        print(f"{side} px: {math.exp(statistics.fmean(logs)):.1f} times {who} in the geometric mean of {len(logs)}",
              flush=True)
    return made


def makers(name: str) -> dict[str, Make]:
    """Returns who -> function that corrupts a batch."""
    import imagecorruptions
    import imgaug.augmenters as library

    augmenter = getattr(library.imgcorruptlike, "".join(word.title() for word in name.split("_")))(severity=SEVERITY)
    return {
        "native": lambda images: corrupt(images, name, SEVERITY, SUITE),
        "imagecorruptions": lambda images: [
            imagecorruptions.corrupt(image, severity=SEVERITY, corruption_name=name) for image in images],
        "imgaug": lambda images: augmenter.augment_images(images),
    }


def images_per_second(images: NDArray[np.uint8], made_by: dict[str, Make], rounds: int) -> dict[str, list[float]]:
    """Images per second of each round; all take turns, and the first round is not counted."""
    rates: dict[str, list[float]] = {who: [] for who in made_by}
    for number in range(rounds):
        for who, make in made_by.items():
            start = time.perf_counter()
            make(images)
            seconds = time.perf_counter() - start
            if number:
                rates[who].append(len(images) / seconds)
    return rates


def stream(count: int) -> dict[str, Any]:
    """Streams the 15 main corruptions of CIFAR-C at 5 severities, and prints time and peak memory."""
    images, suite = pictures(count, 32), native_suite("cifar-c")
    names = [name for name, entry in SUITES["cifar-c"].items() if entry.main]
    before = peak_mb()
    seconds = []
    start = last = time.perf_counter()
    for key in suite.keys(names):
        for _ in variants(images, suite, [key], threads=hardware.cpu_count()):
            pass
        seconds.append(time.perf_counter() - last)
        last = time.perf_counter()
    print(f"{len(seconds)} variants of {count:,} images in {last - start:.0f} s, peak memory {peak_mb():,.0f} MB "
          f"({before:,.0f} MB before)", flush=True)
    return measurement(name="corruptions/stream/cifar-c", metric="wall time of one corruption and severity",
                       unit="s", values=seconds, warmup="none", config={
                           "images": count, "threads": hardware.cpu_count(), "total_seconds": last - start,
                           "peak_mb": peak_mb(), "peak_mb_before": before})


def peak_mb() -> float:
    """Largest resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def pictures(count: int, side: int) -> NDArray[np.uint8]:
    """Smooth random pictures with a little noise, which compress like photographs."""
    from scipy.ndimage import gaussian_filter

    made = gaussian_filter(np.random.default_rng(side).standard_normal((min(count, 500), side, side, 3)),
                           (0, side / 16, side / 16, 0))
    made = (made - made.min()) / np.ptp(made) * 255
    return np.resize(made.astype(np.uint8), (count, side, side, 3))


if __name__ == "__main__":
    main()
