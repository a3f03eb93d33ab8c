"""The layout of the paper's Table 6: accuracy on corrupted images under both readings, native and with imgaug."""
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keras_fixhead.head_config import HEADS
from keras_fixhead.reproduction.claims.comparisons import Evidence, all_runs, arm
from keras_fixhead.reproduction.claims.settings import Setting
from keras_fixhead.reproduction.claims.verdict import NOT_MEASURED
from keras_fixhead.reproduction.paper import paper_table
from keras_fixhead.reproduction.planning.plans import PLANS
from keras_fixhead.reproduction.results import Results, decide
from keras_fixhead.runs.result import Result

DATASETS = ("stl10", "cifar10", "cifar100", "tiny_imagenet")


@dataclass(frozen=True)
class Reading:
    """One way to read what the paper says about its corruptions.

    Attributes:
        title: in a few words.
        measurement: name of the measurement, as in RUN/robustness/NAME.json.
        corruptions: the paper's corruption -> the names of those here whose mean stands for it.
    """

    title: str
    measurement: str
    corruptions: Mapping[str, tuple[str, ...]]


_PUBLISHED = {"salt_and_pepper": ("impulse_noise",), "jpeg_compression": ("jpeg_compression",),
              "blurring": ("defocus_blur",)}
_PLAIN = {"salt_and_pepper": ("salt_and_pepper",), "jpeg_compression": ("jpeg_compression",),
          "blurring": ("average_blur", "gaussian_blur")}
READINGS = tuple(Reading(f"`{suite}`, {engine}", f"{suite}{'-imgaug' * (engine == 'imgaug')}", corruptions)
                 for suite, corruptions in (("paper", _PUBLISHED), ("paper-plain", _PLAIN))
                 for engine in ("native", "imgaug"))
"""The published corruptions, and imgaug's plain augmenters; each as made here, and by imgaug."""


def table6_block(results: Results, at: Setting) -> list[str]:
    """Returns the paper's Table 6 with the numbers measured in a setting next to it; nothing if there are none.

    Args:
        results: results of the setting's plan.
        at: the setting.
    """
    seen = Evidence(at, results, decide(results, PLANS[at.plan]))
    runs = {(dataset, head, fixed): _converged(seen, dataset, head, fixed)
            for dataset in DATASETS for head in HEADS for fixed in (True, False)}
    if not any(reading.measurement in each.content.get("robustness", {})
               for several in runs.values() for each in several for reading in READINGS):
        return []
    paper = paper_table(6).cells
    header = ["corruption", "data set", "logits", "the paper", *(reading.title for reading in READINGS)]
    rows = [[corruption.replace("_", " "), dataset, head,
             " / ".join(f"{paper[corruption, dataset, head, name]}" for name in ("fixed", "learned")),
             *(_cell(reading, corruption, [runs[dataset, head, fixed] for fixed in (True, False)])
               for reading in READINGS)]
            for corruption in _PUBLISHED for dataset in DATASETS for head in HEADS]
    return ["", f"Table 6 {at.title} ({at.network}):", "", f"| {' | '.join(header)} |",
            "| --- |" + " --- |" * (len(header) - 1), *(f"| {' | '.join(row)} |" for row in rows), "",
            "Each cell: fixed / learned, accuracy in percent, mean over severities 1 to 5 and over n seeds, on the "
            "first test images. The paper names neither severity nor network, nor the S of its cosine columns; here "
            f"it is 1. The network here is {at.network}.", ""]


def _converged(seen: Evidence, dataset: str, head: str, fixed: bool) -> list[Result]:
    found = all_runs(seen, arm(seen.setting.main, dataset, head, fixed))
    return [each for each in found.values() if each.converged]


def _cell(reading: Reading, corruption: str, arms: Sequence[Sequence[Result]]) -> str:
    """The mean accuracy of both arms, with the numbers of seeds and of images."""
    texts, images = [], set()
    for several in arms:
        measured = [found for each in several
                    if (found := each.content.get("robustness", {}).get(reading.measurement)) is not None]
        values = [100 * statistics.fmean(float(found["mean"][name]) for name in reading.corruptions[corruption])
                  for found in measured]
        images |= {found["n"] for found in measured}
        texts.append(f"{statistics.fmean(values):.1f} (n = {len(values)})" if values else NOT_MEASURED)
    if not images:
        return NOT_MEASURED
    return f"{' / '.join(texts)}, {' and '.join(f'{count:,}' for count in sorted(images))} images"
