"""Figures over S, from runs whose scales and numbers are made up."""
import dataclasses

import pytest

from keras_fixhead.run_analysis import draw_scales
from keras_fixhead.run_analysis.draw_scales import scale_pictures
from keras_fixhead.run_analysis.measured import MeasuredRun


def at_scale(run, scale, seed, ece, fixed=True):
    """Returns the run as if it had been trained with this S."""
    numbers = {section: dict(found) for section, found in run.numbers.items()}
    numbers["calibration"] |= {"ece": ece, "ceiling": scale / 100}
    return dataclasses.replace(
        run, arm=f"cos-{'fixed' if fixed else 'learned'}, lr = 0.1, S = {scale:g}", numbers=numbers,
        config=dataclasses.replace(run.config, scale=float(scale), seed=seed, fixed=fixed),
        facts=dataclasses.replace(run.facts, cosine_scale=float(scale)))


def as_dot(run):
    """Returns the run as if it had dot logits."""
    numbers = {**run.numbers, "calibration": {**run.numbers["calibration"], "ceiling": None}}
    return dataclasses.replace(run, arm=f"dot-fixed, S = {run.config.scale:g}", numbers=numbers,
                               config=dataclasses.replace(run.config, head="dot"),
                               facts=dataclasses.replace(run.facts, cosine_scale=None))


def test_runs_over_s_become_one_line_per_arm_in_one_figure(analysis, tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(draw_scales, "plot_scales", lambda panels, path, title: drawn.update({path.name: panels}))
    one = analysis.runs[0]
    runs = [at_scale(one, 1, 0, 0.5), at_scale(one, 20, 0, 0.2), at_scale(one, 20, 1, 0.3),
            at_scale(one, 1, 0, 0.4, fixed=False), at_scale(one, 5, 0, 0.1, fixed=False)]
    pictures = list(scale_pictures(runs, tmp_path))
    ece, *_, confidence = drawn["calibration-over-scales"]

    assert [each.name for each in pictures] == ["calibration-over-scales", "compactness-over-scales"]
    assert ece.lines == {"cos-fixed, lr = 0.1": {1.0: [0.5], 20.0: [0.2, 0.3]},
                         "cos-learned, lr = 0.1": {1.0: [0.4], 5.0: [0.1]}}
    assert confidence.curve == ("largest probability possible (Equation 5)", {1.0: 0.01, 5.0: 0.05, 20.0: 0.2})


def test_dot_logits_have_a_line_and_no_ceiling(analysis, tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(draw_scales, "plot_scales", lambda panels, path, title: drawn.update({path.name: panels}))
    runs = [as_dot(at_scale(analysis.runs[0], scale, 0, scale / 10)) for scale in (0.2, 1, 2)]
    list(scale_pictures(runs, tmp_path))
    ece, *_, confidence = drawn["calibration-over-scales"]

    assert ece.lines == {"dot-fixed": {0.2: [0.02], 1.0: [0.1], 2.0: [0.2]}} and confidence.curve is None
    assert runs[0].as_dict()["scale"] == 0.2
    learned = [dataclasses.replace(each, config=dataclasses.replace(each.config, scale="learned")) for each in runs]
    assert learned[0].scale is None and list(scale_pictures(learned, tmp_path)) == []


def test_captions_speak_of_cosines_only_where_there_are_any_and_name_runs_at_chance(analysis, tmp_path, monkeypatch):
    monkeypatch.setattr(draw_scales, "plot_scales", lambda *_, **__: None)
    monkeypatch.setattr(MeasuredRun, "at_chance", property(lambda run: run.config.scale == 20))
    cosines = [at_scale(analysis.runs[0], scale, 0, 0.1) for scale in (1, 20)]
    first, second = ([each.caption for each in scale_pictures(runs, tmp_path)]
                     for runs in (cosines, [as_dot(each) for each in cosines]))

    assert "Equation 5" in first[0] and "The paper expects, of cosine logits" in first[1]
    assert not any("Equation 5" in each or "The paper expects" in each for each in second)
    assert all(each.endswith("No more accurate than chance: dot-fixed, S = 20, seed 0.") for each in second)


def test_they_are_drawn_as_png_and_svg(analysis, tmp_path):
    runs = [at_scale(analysis.runs[0], scale, 0, 0.1) for scale in (1, 20)]
    for picture in scale_pictures(runs, tmp_path):
        assert (tmp_path / f"{picture.name}.png").stat().st_size > 10_000
        assert "<svg" in (tmp_path / f"{picture.name}.svg").read_text()[:2000]


@pytest.mark.parametrize("scales", [(1,), (20, 20)])
def test_one_scale_has_no_figure(analysis, tmp_path, scales):
    runs = [at_scale(analysis.runs[0], scale, seed, 0.1) for seed, scale in enumerate(scales)]

    assert list(scale_pictures(runs, tmp_path)) == [] and list(tmp_path.iterdir()) == []
