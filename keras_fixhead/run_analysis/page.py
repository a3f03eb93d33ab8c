"""The page of an analysis: one HTML file with its figures in it, which needs no network and no script."""
import base64
import html
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_fixhead.analysis.definitions import DEFINITIONS, SCORES
from keras_fixhead.reproduction.claims.verdict import ENOUGH
from keras_fixhead.reproduction.pages.figure import COLOURS
from keras_fixhead.run_analysis.captioned_figure import Figure
from keras_fixhead.run_analysis.measured import unknown_text

HELD = {True: "held", False: "did not hold", None: "—"}
"""Whether a claim held in the given runs, in words; None where other runs than these decide it."""
SECTIONS: dict[str, tuple[str, str]] = {
    "accuracy": ("Accuracy", "Measured on the test images."),
    "class_vectors": ("Class vectors", "A classifier compares an image's features with one vector per class. Learned "
                      "vectors of classes that look alike may move together; vectors that were drawn at random and "
                      "kept fixed cannot."),
    "confusion": ("Confusions and similarity", "If near class vectors cause errors, pairs of classes with near vectors "
                  "are confused more often. Fixed vectors and class means are controls: classes that look alike are "
                  "confused by any model."),
    "compactness": ("Compactness", "How close the features of an image are to class vectors."),
    "separability": ("Separability", "How far apart the features of different classes are, for any class vectors."),
    "features": ("Features", "Where images lie, in a plane. Features have more dimensions than two unless a run was "
                 "trained with --feature-dim 2, so a plane shows a part of them."),
    "collapse": ("Neural collapse", "At the end of training, features of a class tend to meet in one point, and class "
                 "means to point where class vectors do. 0 is complete collapse."),
    "reach": ("What is possible", "Features without negative entries cannot reach every class vector, and a scale S "
              "limits how small the loss can get."),
    "calibration": ("Calibration", "Whether an image with a probability of 80 % is right in 80 % of all cases. At S = "
                    "1 probabilities are capped, which looks like doubt; a fitted temperature removes it without "
                    "changing any prediction."),
    "scales": ("What S changes", "Runs that differ in the scale S alone, next to each other."),
    "open_set": ("Unknown classes", "A classifier gives every image one of its classes. Can a score tell that it is "
                 "none of them? A data set given with --unknown is used whole."),
    "retrieval": ("Retrieval and verification", "Can images be found by images of the same class? Test images of known "
                  "classes."),
    "held_out": ("Retrieval and verification, unknown classes", "The same among images of the unknown classes."),
    "dynamics": ("Learning dynamics", "What happened from epoch to epoch."),
}
"""Section -> its title, and what it is about; sections without numbers and figures are left out."""

COMPARED = (
    ("accuracy", "accuracy"), ("compactness", "own"), ("compactness", "predicted"),
    ("separability", "within_to_between"), ("separability", "angle_ratio"),
    ("separability", "smallest_inter_class_angle"), ("separability", "nearest_mean_accuracy"),
    ("confusion", "errors_inside_groups"), ("calibration", "ece"), ("calibration", "ece_after"),
    *(("open_set", f"auroc_{score}") for score in SCORES),
    ("retrieval", "map_at_r"), ("retrieval", "auroc"), ("held_out", "map_at_r"), ("held_out", "auroc"))
"""Numbers whose difference between fixed and learned class vectors is shown: every score of a kind, whoever wins."""

_ABOUT = ("An arm is named after its logits, cosines or dot products of features and class vectors, and after its "
          "class vectors, fixed as drawn or learned; its runs differ only in their seeds. S is the factor on "
          "the logits, m the number of classes, d that of features. Click a figure to enlarge it.")
_WITHOUT_NAME = ("claim", "number", "what it is")
"""Columns whose cells need no name on narrow screens."""

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1c1c1c; background: #fff; margin: 0 auto; max-width: 76rem;
       padding: 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.2rem; border-top: 1px solid #bbb; padding-top: 1rem; }
p { max-width: 46rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); gap: 1.5rem; }
figure { margin: 0; min-width: 0; } figure label { display: block; overflow-x: auto; cursor: zoom-in; }
figure img { width: 100%; max-width: 44rem; height: auto; display: block; }
figure input { position: absolute; opacity: 0; } figure input:focus-visible + img { outline: 3px solid #0b62a4; }
figure:has(input:checked) { grid-column: 1 / -1; } input:checked + img { max-width: none; min-width: 72rem; }
label:has(input:checked) { cursor: zoom-out; }
figcaption { font-size: 0.9rem; color: #333; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 0.9rem; margin: 0.5rem 0 1rem; }
th, td { text-align: left; padding: 0.25rem 0.75rem 0.25rem 0; border-bottom: 1px solid #ddd; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.definition { color: #444; min-width: 16rem; } .whole, td code { white-space: nowrap; }
p code { overflow-wrap: anywhere; }
@media (max-width: 45rem) {  /* the cells of a row one below the other, each with the name of its column */
  table, tbody, tr, td, td.number { display: block; text-align: left; } thead { display: none; }
  td { border: 0; padding: 0.05rem 0; } tr { border-bottom: 1px solid #ddd; padding: 0.35rem 0; }
  td[data-column]::before { content: attr(data-column) ": "; color: #555; } td:empty { display: none; }
  td code { white-space: normal; overflow-wrap: anywhere; } .number br { display: none; }
  td.number { white-space: normal; } .number small::before { content: " ("; } .number small::after { content: ")"; }
}
"""


def page(numbers: Mapping[str, Any], pictures: Sequence[Figure], folder: Path) -> str:
    """Returns the page as HTML.

    Args:
        numbers: the content of numbers.json.
        pictures: the figures, whose PNG files are in the folder.
        folder: the folder of the analysis.
    """
    runs = numbers["runs"]
    title = f"Analysis of {runs[0]['run']}" if len(runs) == 1 else f"Analysis of {len(runs)} runs"
    sections = "".join(_section(key, numbers, [each for each in pictures if each.section == key], folder)
                       for key in SECTIONS)
    return (f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" '
            f'content="width=device-width, initial-scale=1">\n<title>{_text(title)}</title>\n<style>{_STYLE}</style>\n'
            f"</head>\n<body>\n<h1>{_text(title)}</h1>\n{_runs_table(runs)}{_left_out(numbers.get('left_out', []))}"
            f"<p>{_ABOUT}</p>\n"
            f"{_claims(numbers.get('claims', []), numbers['command'])}"
            f"{_differences(numbers.get('differences', []))}{sections}</body>\n</html>\n")


def _runs_table(runs: Sequence[Mapping[str, Any]]) -> str:
    rows = [[_whole(each["arm"]), str(each["seed"]), _text(f"{each['dataset']}, m = {each['classes']:,}"),
             _text(f"{each['model']}, d = {each['features']:,}"), _text(f"{each['recipe']}, {each['epochs']:g} epochs"),
             "" if each["scale"] is None else f"{each['scale']:.4g}",
             f"{100 * each['numbers']['accuracy']['accuracy']:.2f} % of {each['images']:,}{_warning(each)}",
             f"<code>{_text(each['run'])}</code>"] for each in runs]
    return _table(("arm", "seed", "data", "network", "recipe", "S", "test accuracy", "run"), rows)


def _left_out(runs: Sequence[Mapping[str, str]]) -> str:
    if not runs:
        return ""
    names = "; ".join(f"<code>{_text(each['run'])}</code> ({_text(each['reason'])})" for each in runs)
    return f"<p>Left out, because they failed and have no model: {names}</p>\n"


def _warning(run: Mapping[str, Any]) -> str:
    """What is wrong with a run, where its accuracy is shown."""
    if not run["converged"]:
        return "<br>failed to converge"
    return "<br>no more accurate than chance" if run["at_chance"] else ""


def _claims(answers: Sequence[Mapping[str, Any]], command: str) -> str:
    """The paper's claims that these runs answer, and the command that measured them."""
    if not answers:
        return ""
    rows = [[_text(each["statement"]) + f"<br><code>{_text(each['claim'])}</code>", _text(each["measured"]),
             str(each["n"]), HELD[each["held"]], _badge(each["verdict"])] for each in answers]
    return (f'<section id="claims">\n<h2>What the paper claims, and what these runs show</h2>\n<p>arXiv:2011.08704, in '
            "our words. Each answer is about these runs only; n is the number of seeds, or of pairs of seeds for a "
            f"difference. Measures and verdicts are those of <code>fixhead report</code>: with fewer than {ENOUGH} "
            "seeds nothing is decided, what follows without a run is arithmetic, not evidence, and a claim is not "
            "measured where other runs than these decide it.</p>\n"
            f"{_table(['claim', 'measured', 'n', 'in these runs', 'verdict'], rows)}"
            f'<p>Measured by <code>{_text(command)}</code></p>\n</section>\n')


def _differences(pairs: Sequence[Mapping[str, Any]]) -> str:
    """Fixed minus learned, paired by seed, for the numbers of `COMPARED`."""
    rows = [[_arms(each), f"<code>{_text(f'{section}.{name}')}</code>",
             f'<td class="number">{_difference(found)}</td>', str(found["n"]),
             f'<td class="definition">{_text(DEFINITIONS[f"{section}.{name}"])}</td>']
            for each in pairs for section, name in COMPARED
            if (found := each["numbers"].get(section, {}).get(name)) is not None]
    if not rows:
        return ""
    head = ["arms", "number", "difference, 95 % interval", "n", "what it is"]
    alone = len({row[0] for row in rows}) == 1
    title = f"{rows[0][0]}, paired" if alone else "Paired"
    table = _table(head[1:] if alone else head, [row[1:] if alone else row for row in rows])
    return (f'<section id="differences">\n<h2>Fixed minus learned</h2>\n<p>{title} by seed, with Student\'s interval '
            f"of the mean; a single seed has none.</p>\n{table}</section>\n")


def _arms(pair: Mapping[str, Any]) -> str:
    return f"{_whole(pair['fixed'])} minus {_whole(pair['learned'])}"


def _difference(found: Mapping[str, Any]) -> str:
    mean, *interval = ("+" * (each > 0) + number_text(each) for each in (found["mean"], *(found["interval_95"] or ())))
    return f"{mean}<br><small>{' to '.join(interval)}</small>" if interval else mean


def _section(key: str, numbers: Mapping[str, Any], pictures: Sequence[Figure], folder: Path) -> str:
    title, about = SECTIONS[key]
    at_chance = Counter(each["arm"] for each in numbers["runs"] if each["at_chance"])
    pairs = _pairs_table(numbers["runs"]) if key == "class_vectors" else ""
    table = _numbers_table(key, numbers["arms"], at_chance) + pairs
    if key == "calibration" and not _has(numbers["arms"], key, "temperature"):
        about += " No temperature is fitted here: no run kept validation images, or none fits them best."
    if not (table or pictures):
        return ""
    if key in ("open_set", "held_out"):
        about += f" Here they are {unknown_text(each['unknown'] for each in numbers['runs'])}."
    figures = "".join(_figure(each, folder) for each in pictures)
    shown = f'<div class="figures">{figures}</div>' if figures else ""
    return f'<section id="{key}">\n<h2>{_text(title)}</h2>\n<p>{_text(about)}</p>\n{table}{shown}\n</section>\n'


def _numbers_table(section: str, arms: Mapping[str, Any], at_chance: Mapping[str, int]) -> str:
    """Numbers as rows, arms as columns, and what each number is."""
    names = [name.partition(".")[2] for name in DEFINITIONS if name.startswith(f"{section}.")]
    rows = []
    for name in names:
        values = [arm["numbers"].get(section, {}).get(name) for arm in arms.values()]
        if _has(arms, section, name):
            cells = (f'<td class="number">{_value(value)}</td>' for value in values)
            rows.append([f"<code>{_text(name)}</code>", *cells,
                         f'<td class="definition">{_text(DEFINITIONS[f"{section}.{name}"])}</td>'])
    return _table(["number", *_heads(arms, at_chance), "what it is"], rows) if rows else ""


def _heads(arms: Mapping[str, Any], at_chance: Mapping[str, int]) -> list[str]:
    """Arms as heads of columns, with their numbers of runs, and of those that are no more accurate than chance."""
    heads = []
    for arm, found in arms.items():
        notes = [f"n = {found['n']}"] * (found["n"] > 1)
        if count := at_chance.get(arm, 0):
            notes += ["at chance" if found["n"] == 1 else f"{count} at chance"]
        heads.append(arm + (f" ({', '.join(notes)})" if notes else ""))
    return heads


def _pairs_table(runs: Sequence[Mapping[str, Any]]) -> str:
    """The nearest pairs of classes of each arm's first run, and the pairs that the paper names."""
    first = {each["arm"]: each for each in reversed(runs)}
    rows = [[_whole(arm), _text(_pairs(each["nearest_pairs"][:5])),
             _text(_pairs(each["paper_pairs"])) or "—"] for arm, each in reversed(first.items())]
    return _table(["arm", "nearest pairs of class vectors", "pairs named in the paper"], rows)


def _pairs(pairs: Iterable[Mapping[str, Any]]) -> str:
    return "; ".join(f"{' and '.join(each['classes'])} {each['cosine']:.2f}"
                     + (f" (rank {each['rank']:,} of {each['of']:,})" if "rank" in each else "") for each in pairs)


def _figure(picture: Figure, folder: Path) -> str:
    content = base64.b64encode((folder / f"{picture.name}.png").read_bytes()).decode()
    caption = _text(picture.caption)
    return (f'<figure><label><input type="checkbox" aria-label="Enlarge this figure">'
            f'<img src="data:image/png;base64,{content}" alt="{caption}"></label>'
            f"<figcaption>{caption}</figcaption></figure>\n")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; its cells are HTML, or whole td elements. On narrow screens most cells show the name of their column."""
    cells = "".join(f"<th>{_whole(each)}</th>" for each in head)
    named = [f' data-column="{_text(each)}"' if each not in _WITHOUT_NAME else "" for each in head]
    body = "".join("<tr>" + "".join(
        (each if each.startswith("<td") else f"<td>{each}</td>").replace("<td", f"<td{name}", 1)
        for name, each in zip(named, row, strict=True)) + "</tr>\n" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{cells}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n'


def _badge(verdict: str) -> str:
    background, colour = COLOURS[verdict]
    return f'<span class="whole" style="background: {background}; color: {colour}">&nbsp;{_text(verdict)}&nbsp;</span>'


def _whole(text: str) -> str:
    """Text that is broken after its commas only: names of arms have hyphens."""
    return ", ".join(f'<span class="whole">{_text(each)}</span>' for each in text.split(", "))


def _has(arms: Mapping[str, Any], section: str, name: str) -> bool:
    return any(arm["numbers"].get(section, {}).get(name) is not None for arm in arms.values())


def _value(value: Mapping[str, Any] | None) -> str:
    """A mean, with its range if there are several runs that differ; the range alone if there is no mean."""
    if value is None:
        return "—"
    low, high = number_text(value["min"]), number_text(value["max"])
    if low == high:
        return low
    spread = f"{low} to {high}"
    return spread if value["mean"] is None else f"{number_text(value['mean'])}<br><small>{spread}</small>"


def number_text(value: float) -> str:
    """Returns a number with four significant digits.

    Example:
        >>> number_text(0.123456), number_text(0.75), number_text(4500.0), number_text(0.0), number_text(2e-05)
        ('0.1235', '0.7500', '4,500', '0', '2.000e-05')
        >>> number_text(3297.6), number_text(999.96)
        ('3,298', '1,000')
    """
    if value == 0 or abs(value) >= 999.95 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.3e}" if abs(value) < 1e-4 else f"{value:.4g}" if abs(value) < 0.01 else f"{value:#.4g}"


def _text(text: str) -> str:
    return html.escape(str(text))
