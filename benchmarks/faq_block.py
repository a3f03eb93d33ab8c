"""The FAQ about the paper's inconsistencies, computed from its tables (`keras_fixhead.reproduction`)."""
import math
import statistics

from keras_fixhead.reproduction import FAILED, paper_claim, paper_correlations, paper_table, paper_tables
from keras_fixhead.vectors import ceiling, class_vectors, loss_optimum, reachable_cosine

RATES = {"preact_resnet18": 7, "resnet18": 8}
"""Network -> the table with its accuracies by learning rate."""
TINY_IMAGENET = {"classes": 200, "images": 10_000}
CLASSES = (10, 100, 200)
DIM = 512


def faq_block() -> list[str]:
    """Returns a question and an answer for each inconsistency."""
    lines = [""]
    for question, answer in _questions():
        lines += [f"### {question}", "", answer, ""]
    return lines


def _questions() -> list[tuple[str, str]]:
    return [_table_one(), _up_to(), _many_classes(), _learning_rates(), _cosine_beats_dot(), _best_scale(),
            _failures(), _correlations(), _ceiling(), _compactness(), _robustness(), _missing()]


def _table_one() -> tuple[str, str]:
    equal, other = 0, []
    first = paper_table(1).cells
    for model, number in RATES.items():
        found: dict[tuple[str, str], float] = {}
        for (dataset, _, vectors), value in paper_table(number).cells.items():
            if isinstance(value, float):
                found[dataset, vectors] = max(value, found.get((dataset, vectors), value))
        for (dataset, vectors), best in found.items():
            printed = first[dataset, model, vectors]
            if printed == best:
                equal += 1
            else:
                other.append(f"{dataset}, {model}, {vectors}: {printed} against {best}")
    return ("Is Table 1 the best learning rate of Tables 7 and 8?",
            f"Almost: {equal} of {equal + len(other)} cells are equal to the best rate there. The others differ "
            f"({'; '.join(other)}), so Table 1 comes from other runs or another choice.")


def _up_to() -> tuple[str, str]:
    dot, cos = (max(paper_table(number).gains().values()) for number in (1, 2))
    return ("What do “up to 4 %” and “up to 53 %” mean?",
            f"Points of accuracy, in the one cell with the largest gain: {dot:.1f} points in Table 1 and {cos:.1f} "
            f"points in Table 2. The means are {statistics.fmean(paper_table(1).gains().values()):.1f} and "
            f"{statistics.fmean(paper_table(2).gains().values()):.1f} points.")


def _many_classes() -> tuple[str, str]:
    means: dict[str, list[float]] = {}
    for (dataset, *_), gain in paper_table(1).gains().items():
        means.setdefault(dataset, []).append(gain)
    text = ", ".join(f"{statistics.fmean(gains):.2f} on {dataset}" for dataset, gains in means.items())
    return ("Does fixing gain more with many classes?",
            f"The paper's own numbers do not order it that way. Mean gain of fixing in Table 1, in points: {text}. "
            "STL-10 has ten classes, and few training images.")


def _learning_rates() -> tuple[str, str]:
    rates, each = paper_claim("higher-learning-rate").paper, paper_claim("fixed-wins-at-each-rate").paper
    return ("Do fixed class vectors need a higher learning rate?",
            f"The best rate for fixed ones is higher in {rates['best_higher']:g} pairs of Tables 7 and 8, equal in "
            f"{rates['best_equal']:g} and lower in {rates['best_lower']:g}. What the tables do show: at equal rates "
            f"fixed ones are ahead in {each['positive']:g} of {each['of']:g} pairs.")


def _cosine_beats_dot() -> tuple[str, str]:
    claim = paper_claim("cos-s1-beats-dot").paper
    dot, cos, best = (paper_table(number).cells for number in (1, 2, 3))
    behind = [float(dot[names]) - float(cos[names]) for names in dot  # type: ignore[arg-type]
              if names[0] == "tiny_imagenet" and names[-1] == "fixed"]
    tuned = [float(dot[names]) - float(best[names]) for names in dot  # type: ignore[arg-type]
             if names[0] == "tiny_imagenet"]
    return ("Are cosine logits at S = 1 more accurate than dot products?",
            f"With fixed class vectors, in {claim['positive']:g} of {claim['of']:g} cells, both on STL-10. On Tiny "
            f"ImageNet they are {min(behind):.1f} to {max(behind):.1f} points behind, and even at the best S every "
            f"cosine cell there is {min(tuned):.1f} to {max(tuned):.1f} points behind its dot cell.")


def _best_scale() -> tuple[str, str]:
    gains = list(paper_table(3).gains().values())
    return ("Who wins once S is tuned?",
            f"In Table 3, where each arm has its best S, learned class vectors are ahead in "
            f"{sum(gain < 0 for gain in gains)} of {len(gains)} cells, equal in {sum(gain == 0 for gain in gains)}, "
            f"and fixed ones lead by {statistics.fmean(gains):.1f} points in the mean ({min(gains):.1f} to "
            f"{max(gains):.1f}). Neither the grid of S nor the chosen values are printed. Our own runs at S = 30 show "
            "a loss: [when fixing is worth it](worth-it.md).")


def _failures() -> tuple[str, str]:
    failed = [names for number in (1, 2, 3, 5, 6, 7, 8) for names, value in paper_table(number).cells.items()
              if value == FAILED]
    best = max(value for names, value in paper_table(2).cells.items()
               if names[-1] == "learned" and isinstance(value, float))
    return ("What does “fail to converge” mean?",
            f"The text says it of the learned models of Table 2, which reach up to {best:g} %. Only {len(failed)} "
            "cells of all tables are NaN. Here only a run whose loss is no longer a finite number counts as failed.")


def _correlations() -> tuple[str, str]:
    printed = paper_correlations()
    dot, cos = _largest_correlation(1), _largest_correlation(2)
    return ("Can class-vector similarity and confusions correlate as strongly as printed?",
            f"Not over all ordered pairs of one run on Tiny ImageNet, for which the paper prints "
            f"{printed['dot']['tiny_imagenet']} (dot) and {printed['cos']['tiny_imagenet']} (cosine). Most pairs of "
            "classes are never confused, and share a rank. Let z be their share: then even a perfect order gives "
            "sqrt(1 − z³). By the accuracies of Tables 1 and 2, that is at most "
            f"{dot:.2f} (dot) and {cos:.2f} (cosine) on the test images. Pooled runs, other images or a choice of "
            "pairs must be behind the printed numbers. The text speaks of distances where the figures show cosines. "
            "`fixhead analyze` states pairs and ties, and prints the bound next to its numbers.")


def _largest_correlation(table: int) -> float:
    """Returns the largest Spearman correlation that the ties allow, for the least accurate learned model of a table."""
    classes, images = TINY_IMAGENET["classes"], TINY_IMAGENET["images"]
    learned = min(float(value) for names, value in paper_table(table).cells.items()  # type: ignore[arg-type]
                  if names[0] == "tiny_imagenet" and names[-1] == "learned")
    never = 1 - images * (1 - learned / 100) / (classes * (classes - 1))
    return math.sqrt(1 - never**3)


def _ceiling() -> tuple[str, str]:
    printed = paper_claim("probability-ceiling").paper["m200"]
    exact, _ = ceiling(200, 1.0)
    return ("Is 0.035 the largest probability for 200 classes at S = 1?",
            f"Equation 5 gives {exact:.4f}; the paper's {printed} is cut off. No model reaches it for more than one "
            "class: all other class vectors would have to point the opposite way at once. `head.limits()` says what "
            "given class vectors allow.")


def _compactness() -> tuple[str, str]:
    printed = paper_claim("fixed-compactness-095").paper["value"]
    reach, signed = [], []
    for classes in CLASSES:
        drawn = class_vectors("uniform", classes, DIM, seed=0)
        reach.append(f"{statistics.fmean(reachable_cosine(drawn).tolist()):.2f}")
        signed.append(f"{statistics.fmean(loss_optimum(drawn, signed_features=True).cosine.tolist()):.3f}")
    which = "/".join(map(str, CLASSES))
    return (f"Can the mean cosine be {printed} in all experiments?",
            "Not with features that end in a ReLU, such as those of the released ResNet18: they have no negative "
            f"entries, and the largest cosine that they reach to random class vectors is {', '.join(reach)} on average "
            f"for {which} classes and {DIM} features (seed 0). With signed features, cross-entropy at S = 1 is "
            f"smallest at {', '.join(signed)}: {printed} is the optimum for ten classes, and too low for more.")


def _robustness() -> tuple[str, str]:
    kept, robust = (paper_claim(name).paper for name in ("generalization-kept", "corruption-robustness-kept"))
    return ("How robust is “highly robust”?",
            f"Fixed class vectors are ahead in {kept['positive']:g} of {kept['of']:g} cells of Table 5 and in "
            f"{robust['positive']:g} of {robust['of']:g} of Table 6, by {robust['mean']:g} points in the mean "
            f"({robust['min']:g} to {robust['max']:g}). Network, severity and S are not given, and the text says "
            "impulse noise where the table says salt and pepper.")


def _missing() -> tuple[str, str]:
    empty = [number for number, table in paper_tables().items() if not table.cells]
    return ("What cannot be compared?",
            f"The bodies of Tables {' and '.join(empty)} are missing in the available copy, so our reports say so "
            "there. Tables 7 and 8 leave out CIFAR-10. The sums of Equations 1 to 3 run over one term too many, from 0 "
            "to N. The released code covers only STL-10 with ResNet18, chooses the best epoch on test images, sets no "
            "seed, and has other rates, bias and weight decay than the text: the recipes `paper` and `paper-code` "
            "([recipes](recipes.md)) keep the two apart.")
