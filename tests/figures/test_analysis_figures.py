"""Figures of an analysis: names where they fit, groups where they do not, in any script, and readable in grey."""
import warnings

import numpy as np
import pytest
from PIL import Image

from keras_fixhead.analysis.calibration import reliability
from keras_fixhead.errors import FixheadWarning
from keras_fixhead.figures import plot_arms, plot_confusion, plot_curves, plot_robustness
from keras_fixhead.figures.arm_styles import arm_style
from keras_fixhead.figures.canvas import COLORS, new_figure, save_figure
from keras_fixhead.figures.class_vectors import COSINE_MAP, plot_cosine_distribution, plot_cosine_matrix
from keras_fixhead.figures.classes import grouped_order, label_axes
from keras_fixhead.figures.distributions import plot_distributions, plot_points
from keras_fixhead.figures.dynamics import plot_dynamics
from keras_fixhead.figures.features import plot_features
from keras_fixhead.figures.reliability import plot_reliability
from keras_fixhead.figures.similarity import plot_confusion_similarity
from keras_fixhead.figures.verification import plot_verification

DRAW = np.random.default_rng(0)
NAMES = ["кот", "γάτα", "a$b_{", "猫\U000f1234"]
COSINES = np.eye(4) + 0.1 * (1 - np.eye(4))
COUNTS = np.array([[9, 1, 0, 2], [0, 9, 3, 0], [1, 0, 9, 0], [0, 0, 0, 9]])
POINTS, LABELS = DRAW.standard_normal((20, 2)), np.arange(20) % 4
ONE = {NAMES[2]: [DRAW.uniform(0, 1, 50), DRAW.uniform(0, 1, 50)]}
FIGURES = {
    "cosines": lambda path: plot_cosine_matrix(COSINES, NAMES, path, title=NAMES[2], order=np.array([3, 0, 1, 2])),
    "distribution": lambda path: plot_cosine_distribution({NAMES[0]: np.zeros(3)}, 8, path, title=NAMES[1]),
    "similarity": lambda path: plot_confusion_similarity(COSINES, COUNTS, NAMES, path, title=NAMES[3],
                                                         together=COSINES < 0),
    "features": lambda path: plot_features(POINTS, LABELS, NAMES, path, title=NAMES[2], vectors=POINTS[:4]),
    "distributions": lambda path: plot_distributions(ONE, path, title=NAMES[0], label="x", limits=(0, 1)),
    "logarithmic": lambda path: plot_distributions(ONE, path, title=NAMES[0], label="x", limits=(0.01, 1), log=True),
    "points": lambda path: plot_points({"a": {NAMES[2]: [0.1, 0.3]}, "b": {}}, path, title=NAMES[0], label="x"),
    "reliability": lambda path: plot_reliability({NAMES[2]: [reliability([[0.5, 0.5]], [0])]}, path, title="x",
                                                 ceilings={"c": 0.45}),
    "verification": lambda path: plot_verification({NAMES[2]: [(np.array([0.0, 1]), np.array([0.0, 1]))]}, path,
                                                   title="x"),
    "dynamics": lambda path: plot_dynamics({NAMES[2]: [[{"epoch": 1, "loss": 2.0}], [{"epoch": 1, "loss": 1.0}]]},
                                           "loss", path, title="x", label="y"),
}


def test_names_of_groups_are_not_cut_off(tmp_path, monkeypatch):
    """Long names of twenty groups, as CIFAR-100 has them: the smallest figure in which they once were."""
    names = [f"class {number}" for number in range(100)]
    groups = {f"large_omnivores_and_herbivores_{place:02d}": names[5 * place : 5 * place + 5] for place in range(20)}
    left = []
    monkeypatch.setattr("keras_fixhead.figures.class_vectors.save_figure", lambda figure, path: (
        figure.canvas.draw(), left.extend(each.get_window_extent().x0 for each in figure.axes[0].get_yticklabels())))
    plot_cosine_matrix(np.eye(100), names, tmp_path / "c.png", title="x", order=np.arange(100), groups=groups)

    assert len(left) == 20 and min(left) >= 0


def test_the_smallest_possible_values_have_the_colours_of_their_arms(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("keras_fixhead.figures.dynamics.save_figure", lambda figure, path: drawn.extend(
        (line.get_label(), line.get_color()) for line in figure.axes[0].lines))
    rows = [[{"epoch": epoch, "loss": 1.0} for epoch in (1, 2)]]
    plot_dynamics({"a": rows, "b": rows}, "loss", tmp_path / "d.png", title="x", label="y", levels={"b": 0.5, "a": 0.2})
    colours = dict(drawn)

    assert colours["smallest possible, a"] == colours["a"] != colours["b"] == colours["smallest possible, b"]


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_drawn_with_names_in_any_script(name, tmp_path, recwarn):
    warnings.simplefilter("always")
    FIGURES[name](tmp_path / "figure.png")

    assert (tmp_path / "figure.png").stat().st_size > 1_000
    assert {each.category for each in recwarn.list} <= {FixheadWarning} and len(recwarn.list) <= 1


def test_a_name_without_an_ending_is_written_in_both_formats(tmp_path):
    FIGURES["dynamics"](tmp_path / "loss-S-0.5")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["loss-S-0.5.png", "loss-S-0.5.svg"]


def test_nothing_is_written_about_what_no_run_has(tmp_path):
    assert not plot_dynamics({"a": [[{"epoch": 1}]]}, "loss", tmp_path / "x.png", title="x", label="y")
    assert not list(tmp_path.iterdir())


def test_many_classes_are_labelled_by_groups_and_few_by_names():
    names = [f"{kind} {number}" for number in range(20) for kind in ("cat", "dog", "car")]
    groups = {kind: [name for name in names if name.startswith(kind)] for kind in ("dog", "cat")}
    order = grouped_order(names, groups)
    axes = new_figure(4, 4).subplots()
    label_axes(axes, names, order, groups)

    kinds = [names[each].split()[0] for each in order]
    assert kinds == ["dog"] * 20 + ["cat"] * 20 + ["car"] * 20
    assert [each.get_text() for each in axes.get_yticklabels()] == ["dog", "cat", "(no group)"]
    few = new_figure(4, 4).subplots()
    label_axes(few, names[:3], np.array([2, 0, 1]))
    assert [each.get_text() for each in few.get_yticklabels()] == ["car 0", "cat 0", "dog 0"]
    rows, none = new_figure(8, 8).subplots(), new_figure(8, 8).subplots()
    label_axes(rows, names, order)
    assert [each.get_text() for each in rows.get_yticklabels()] == [names[each] for each in order]
    assert not rows.get_xticklabels() and rows.get_yticklabels()[0].get_fontsize() >= 4
    label_axes(none, [f"class {number}" for number in range(200)])
    assert not none.get_yticklabels()
    assert grouped_order(names, {"dog": groups["dog"]}) is None and grouped_order(names[:30], groups) is None


def test_a_confusion_matrix_shows_errors_counts_and_the_accuracy(tmp_path, monkeypatch):
    """An error of 4 % of a class has a fifth of the colour scale, not a twenty-fifth."""
    kept = []
    monkeypatch.setattr("keras_fixhead.figures.run.save_figure", lambda figure, path: kept.append(figure))
    plot_confusion(np.array([[96, 4], [0, 100]]), ["cat", "dog"], tmp_path / "c.png", title="a run", counts=True)
    axes = kept[0].axes[0]

    assert axes.get_title() == "a run, accuracy 98.00 % of 200"
    assert [each.get_text() for each in axes.texts] == ["96", "4", "100"]
    assert float(axes.images[0].norm(4.0)) == pytest.approx(0.2)


def test_arms_differ_in_grey_too():
    styles = [arm_style(number) for number in range(16)]

    assert len({(str(each.line), each.marker) for each in styles[:8]}) == 8
    assert len({(each.color, str(each.line), each.marker) for each in styles}) == 16
    assert len({each.color for each in styles}) == len(COLORS)


ROWS = [{"epoch": epoch, "accuracy": 0.5, "validation_accuracy": 0.4, "cross_entropy": 1.0,
         "validation_cross_entropy": 1.1} for epoch in (1, 2)]
CORRUPTED = [{"clean": 0.9, "n": 100, "accuracy": {"fog": [0.5] * 5}}]


@pytest.mark.parametrize("module, draw", [
    ("run", lambda path: plot_curves(ROWS, path, title="x")),
    ("arms", lambda path: plot_arms({"a": ROWS, "b": ROWS}, {"a": np.eye(3), "b": np.eye(3)}, "abc", path, title="x")),
    ("robustness", lambda path: plot_robustness({"a": CORRUPTED, "b": CORRUPTED}, path, title="x"))])
def test_lines_are_told_apart_without_colours(tmp_path, monkeypatch, module, draw):
    drawn = []
    monkeypatch.setattr(f"keras_fixhead.figures.{module}.save_figure", lambda figure, path: drawn.append(figure))
    draw(tmp_path / "x.png")
    lines = [[(each.get_linestyle(), each.get_marker(), each.get_markerfacecolor() == "white")
              for each in axes.get_lines()] for axes in drawn[0].axes if len(axes.get_lines()) > 1]

    assert lines and all(len(set(each)) == len(each) for each in lines)


def test_the_legends_of_arms_are_above_their_lines(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("keras_fixhead.figures.arms.save_figure", lambda figure, path: (
        figure.canvas.draw(), drawn.extend(axes for axes in figure.axes if axes.get_legend())))
    plot_arms({"a": ROWS, "b": ROWS}, {"a": np.eye(3), "b": np.eye(3)}, "abc", tmp_path / "x.png", title="x")

    assert len(drawn) == 2
    assert all(axes.get_legend().get_window_extent().y0 >= axes.get_window_extent().y1 - 1 for axes in drawn)


def test_names_of_classes_do_not_cover_the_marks_of_their_class_vectors(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("keras_fixhead.figures.features.save_figure", lambda figure, path: (
        figure.canvas.draw(), drawn.append(figure.axes[0])))
    plot_features(np.eye(2), np.arange(2), ["cat", "dog"], tmp_path / "f.png", title="x", vectors=np.eye(2))
    (axes,) = drawn

    for name, place in zip(axes.texts, np.eye(2), strict=True):
        assert name.get_window_extent().y0 >= axes.transData.transform(place)[1] + 5


def test_names_do_not_lie_on_each_other(tmp_path, monkeypatch):
    """Three classes at one place and one far from them: the legend has all four names, the figure two."""
    drawn = []
    monkeypatch.setattr("keras_fixhead.figures.features.save_figure", lambda figure, path: drawn.append(figure))
    points = np.array([[0, 0], [0.01, 0], [0, 0.01], [1, 1.0]])
    plot_features(points, np.arange(4), ["cat", "dog", "fox", "car"], tmp_path / "f.png", title="x")

    assert [each.get_text() for each in drawn[0].axes[0].texts] == ["cat", "car"]
    assert [each.get_text() for each in drawn[0].legends[0].get_texts()] == ["cat", "dog", "fox", "car"]


@pytest.mark.parametrize("module, axis, draw, numbers", [
    ("distributions", "x", lambda path: plot_distributions(
        ONE, path, title="x", label="y", limits=(18, 120), log=True), ["20", "50", "100"]),
    ("distributions", "y", lambda path: plot_points(
        {"a": {"b": [0.28, 3.2]}}, path, title="x", label="y", log=True), ["0.5", "1", "2"]),
    ("verification", "x", lambda path: plot_verification(
        {"a": [(np.array([0.0, 1]), np.array([0.0, 1]))]}, path, title="x"), ["0.0001", "0.001", "0.01", "0.1", "1"])])
def test_logarithmic_axes_have_plain_numbers(tmp_path, monkeypatch, module, axis, draw, numbers):
    drawn = []
    monkeypatch.setattr(f"keras_fixhead.figures.{module}.save_figure", lambda figure, path: drawn.append(figure))
    draw(tmp_path / "x.png")
    drawn[0].draw_without_rendering()
    shown = getattr(drawn[0].axes[0], f"{axis}axis")
    low, high = shown.get_view_interval()

    assert [each.get_text() for each in shown.get_ticklabels(which="both")
            if each.get_text() and low * 0.999 <= each.get_position()[axis == "y"] <= high * 1.001] == numbers


@pytest.mark.parametrize("module, draw", [
    ("distributions", lambda path, title: plot_points({"a": {"b": [0.5]}}, path, title=title, label="y")),
    ("distributions", lambda path, title: plot_distributions(ONE, path, title=title, label="y", limits=(0, 1))),
    ("verification", lambda path, title: plot_verification(
        {"a": [(np.array([0.0, 1]), np.array([0.0, 1]))]}, path, title=title))])
def test_long_titles_are_not_cut_off(tmp_path, monkeypatch, module, draw):
    """A title with the unknown classes of a run that left some out of training."""
    drawn = []
    monkeypatch.setattr(f"keras_fixhead.figures.{module}.save_figure", lambda figure, path: drawn.append(figure))
    draw(tmp_path / "x.png", "Positive class: unknown (classes of cifar100 that were not trained, 2,000 images of 20)")
    drawn[0].draw_without_rendering()
    (axes,), box = drawn[0].axes, drawn[0].bbox

    title = axes.title.get_window_extent()
    assert title.x0 >= 0 and title.x1 <= box.x1 and title.y1 <= box.y1
    assert axes.get_title().replace("\n", " ").endswith("2,000 images of 20)")


def test_cosines_rise_in_lightness_throughout(tmp_path):
    """A ramp of cosines in one row: the grey levels of its cells rise."""
    from matplotlib import colormaps

    rgb = colormaps[COSINE_MAP](np.linspace(0, 1, 32))[:, :3]
    grey = rgb @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(grey) > 0).all()
    figure = new_figure(2, 2)
    figure.subplots().imshow([[0.0, 1.0]], cmap=COSINE_MAP)
    save_figure(figure, tmp_path / "x.png")
    assert Image.open(tmp_path / "x.png").size == (240, 240)
