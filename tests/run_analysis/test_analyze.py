"""An analysis writes every number with its definition, every figure in two formats, and one page that needs nothing."""
import copy
import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_fixhead.analysis import summary
from keras_fixhead.analysis.calibration import reliability
from keras_fixhead.analysis.definitions import DEFINITIONS
from keras_fixhead.config import TrainConfig
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.recipes import build_config
from keras_fixhead.run_analysis import RunOutputs, analyze, analyze_runs, draw_features, draw_figures, measured
from keras_fixhead.run_analysis.data_identity import data_key
from keras_fixhead.run_analysis.measured import arm_means, arm_names
from keras_fixhead.run_analysis.page import COMPARED, _value, page
from keras_fixhead.runs import open_run
from keras_fixhead.training import train


def test_several_runs_are_written_next_to_the_first_one(analysis, two_runs):
    assert analysis.folder == two_runs[0].path / "analysis" / "compared"
    assert [each.seed for each in (run.config for run in analysis.runs)] == [0, 1]


def test_numbers_are_strict_json_with_the_runs_the_arms_and_all_definitions(analysis):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    content = json.loads((analysis.folder / "numbers.json").read_text(), parse_constant=refuse)
    (arm,) = content["arms"].values()
    one, other = content["runs"]

    assert content["schema"] == 1 and content["definitions"] == DEFINITIONS
    assert arm["n"] == 2 and one["numbers"] == other["numbers"]
    named = {f"{section}.{name}" for section, names in one["numbers"].items() for name in names}
    assert named <= set(DEFINITIONS)
    mean = arm["numbers"]["accuracy"]["accuracy"]
    assert mean["mean"] == one["numbers"]["accuracy"]["accuracy"] and mean["n"] == 2


def test_numbers_agree_with_those_of_the_training(analysis, two_runs):
    """The training measured the same images in batches of the same size with the same model."""
    found, trained = analysis.runs[0].numbers, two_runs[0].read("result")["evaluation"]["test"]

    assert found["accuracy"]["accuracy"] == trained["accuracy"]
    assert found["compactness"]["own"] == pytest.approx(trained["own_cosine"], abs=1e-6)
    assert found["calibration"]["nll"] == pytest.approx(trained["cross_entropy"], abs=1e-6)


def test_every_figure_is_there_as_png_and_svg(analysis):
    names = [each.name for each in analysis.pictures]

    assert len(set(names)) == len(names) > 5
    for name in names:
        assert (analysis.folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (analysis.folder / f"{name}.svg").read_text()[:2000]


@pytest.mark.slow
def test_every_kind_of_figure_is_drawn(two_runs, tmp_path):
    write_images(tmp_path / "flowers", 40)
    found = analyze_runs([two_runs[0]], tmp_path, unknown=str(tmp_path / "flowers"))
    sections = [each.section for each in found.pictures]

    assert list(dict.fromkeys(sections)) == ["class_vectors", "confusion", "compactness", "separability", "features",
                                             "collapse", "calibration", "open_set", "retrieval", "held_out", "dynamics"]
    assert all((tmp_path / f"{each.name}.{ending}").is_file() for each in found.pictures for ending in ("png", "svg"))
    assert found.page.read_text().count("<img ") == len(sections) > 20


def test_the_page_has_every_figure_and_loads_nothing(analysis):
    text = analysis.page.read_text()

    assert text.count("<img ") == text.count('src="data:image/png;base64,') == len(analysis.pictures)
    assert not re.search(r"https?://|<script|<link|@import|url\(", text)
    assert text.count("<section ") == text.count("</section>") > 5
    assert all(f">{name.partition('.')[2]}<" in text for name in ("calibration.ece", "compactness.own"))


def test_on_narrow_screens_cells_have_the_names_of_their_columns(analysis):
    text = analysis.page.read_text()
    (arm,) = analysis.numbers["arms"]

    chance = f", {count} at chance" if (count := sum(each.at_chance for each in analysis.runs)) else ""
    assert f'<td data-column="{arm} (n = 2{chance})" class="number">' in text
    assert '<td data-column="seed">0</td>' in text
    assert '<td data-column="verdict"><span class="whole"' in text and 'data-column="what it is"' not in text


def test_the_page_prints_the_command_with_the_arguments_that_were_given(two_runs, analysis, monkeypatch):
    folder = two_runs[0].path.parent
    monkeypatch.chdir(folder)

    assert analyze._command(two_runs, None, None, None) == "fixhead analyze one other"
    assert analyze._command(two_runs, folder / "a b", "data", "cifar100") == (
        "fixhead analyze one other --out 'a b' --data-dir data --unknown cifar100")
    assert f"<code>{analysis.numbers['command']}</code>" in analysis.page.read_text()
    assert analysis.command == f"fixhead analyze {two_runs[0].path} {two_runs[1].path}"


def test_images_of_unknown_classes_are_named_and_counted(analysis, tmp_path, monkeypatch):
    one = analysis.runs[0]
    run = dataclasses.replace(one, unknown=(one.test, np.arange(len(one.test.labels)) % 7), unknown_data="flowers",
                              numbers=one.numbers | {"open_set": {"auroc_energy": 0.5}})
    whole = dataclasses.replace(analysis, runs=[run])
    text = f"flowers, {len(one.test.labels):,} images of 7 classes"
    monkeypatch.setattr(draw_features, "plot_points", lambda *_, **__: None)

    assert whole.numbers["runs"][0]["unknown"] == {"data": "flowers", "images": len(one.test.labels), "classes": 7}
    assert f"Here they are {text}." in page(whole.numbers, [], tmp_path)
    assert text in next(draw_features.open_set_pictures([run], tmp_path)).caption


def test_fixed_and_learned_are_compared_by_every_score_and_not_by_a_choice():
    shown = {f"{section}.{name}" for section, name in COMPARED}

    assert {each for each in DEFINITIONS if each.startswith("open_set.auroc_")} <= shown
    assert {"retrieval.auroc", "held_out.auroc", "separability.nearest_mean_accuracy",
            "separability.smallest_inter_class_angle"} <= shown <= set(DEFINITIONS)


@pytest.mark.parametrize("mean, low, high, text", [
    (0.5, 0.5, 0.5, "0.5000"), (0.2, 0.1, 0.3, "0.2000<br><small>0.1000 to 0.3000</small>"),
    (None, 0.01, 0.5, "0.01000 to 0.5000"), (3298.2, 3298.2, 3298.2, "3,298")],
    ids=["constant", "range", "p-values", "thousands"])
def test_a_cell_has_a_range_only_where_runs_differ(mean, low, high, text):
    assert _value({"mean": mean, "min": low, "max": high, "n": 2}) == text


def test_p_values_have_no_mean_and_no_difference(analysis):
    (arm,) = arm_means(analysis.runs).values()

    assert arm["numbers"]["confusion"]["ordered_p_value"]["mean"] is None
    assert arm["numbers"]["confusion"]["ordered_correlation"]["mean"] is not None


def test_figures_of_an_earlier_analysis_are_removed_and_other_files_stay(two_runs, tmp_path, monkeypatch):
    monkeypatch.setattr(summary, "PERMUTATIONS", 9)
    monkeypatch.setattr(summary, "DRAWS", 2)
    monkeypatch.setattr(draw_figures, "PARTS", (draw_figures._calibration,))
    monkeypatch.setattr(summary, "fit_temperature", lambda logits, labels: 2.0)
    (tmp_path / "numbers.json").write_text('{"schema": 1, "figures": ["cosines-old"]}')
    for name in ("cosines-old.png", "cosines-old.svg", "own.png"):
        (tmp_path / name).touch()
    found = analyze_runs(two_runs[:1], tmp_path)

    assert not list(tmp_path.glob("cosines-old.*")) and (tmp_path / "own.png").is_file()
    assert found.numbers["figures"] == ["reliability", "reliability-after"]


def test_runs_at_chance_and_runs_that_failed_are_marked_on_the_page(analysis):
    numbers = copy.deepcopy(analysis.numbers)
    numbers["runs"][0] |= {"at_chance": True, "converged": True}
    numbers["runs"][1] |= {"at_chance": False, "converged": False}
    text = page(numbers, [], analysis.folder)

    assert "<br>no more accurate than chance</td>" in text and "<br>failed to converge</td>" in text
    assert "(n = 2, 1 at chance)" in text


def test_probabilities_in_one_bin_are_explained():
    probabilities = np.array([[0.3, 0.25, 0.25, 0.2], [0.31, 0.23, 0.23, 0.23]])
    one = reliability(probabilities, [0, 1])
    several = reliability(np.array([[0.9, 0.1, 0, 0], [0.5, 0.5, 0, 0]]), [0, 1])

    assert draw_figures._single_bins({"a": [one], "b": [several]}).endswith("all probabilities of a are in one bin.")
    assert draw_figures._single_bins({"b": [several]}) == ""


def test_every_figure_can_be_enlarged_without_a_script(analysis):
    assert analysis.page.read_text().count('<label><input type="checkbox"') == len(analysis.pictures)


def test_a_missing_temperature_is_explained(analysis):
    numbers = copy.deepcopy(analysis.numbers)
    reason = "No temperature is fitted here: no run kept validation images, or none fits them best."
    for arm in numbers["arms"].values():
        arm["numbers"]["calibration"]["temperature"] = None
    assert reason in page(numbers, [], analysis.folder)

    for arm in numbers["arms"].values():
        arm["numbers"]["calibration"]["temperature"] = {"mean": 2.0, "min": 2.0, "max": 2.0, "n": 2}
    assert reason not in page(numbers, [], analysis.folder)


@pytest.mark.parametrize("lengths, limits", [
    ([[1.0] * 999 + [1e6]], (1 / 1.2, 1e6)), ([[0.0, 2.0, 2.0]], (2 / 1.2, 2.4)), ([[0.0, 0.0]], (1 / 1.2, 1.2))],
    ids=["one very long", "one of length 0", "all of length 0"])
def test_the_range_of_lengths_is_never_empty_and_ends_near_most_images(lengths, limits):
    low, high = draw_features._most_of({"arm": [np.array(each) for each in lengths]})

    assert low == pytest.approx(limits[0]) and low < high <= limits[1] * 1.001


@pytest.mark.parametrize("value, text", [(-0.001, "0.00"), (0.004, "0.00"), (-0.014, "-0.01"), (0.706, "0.71")])
def test_a_correlation_near_zero_has_no_sign(value, text):
    assert draw_figures._rounded(value) == text


def test_figures_of_two_arms_come_in_pairs(analysis, monkeypatch, tmp_path):
    one, other = (dataclasses.replace(analysis.runs[0], arm=arm) for arm in ("cos-fixed", "cos-learned"))
    for module, drawing in ((draw_figures, "plot_cosine_matrix"), (draw_figures, "plot_cosine_distribution"),
                            (draw_features, "plot_features"), (draw_features, "plot_distributions")):
        monkeypatch.setattr(module, drawing, lambda *_, **__: None)
    monkeypatch.setattr(draw_features, "neighbour_embedding", lambda features: features[:, :2])
    names = [each.name for part in (draw_figures._class_vectors, draw_features.feature_pictures)
             for each in part([one, other], tmp_path) if "cos-" in each.name]

    assert names == [f"{kind}-{arm}" for kind in ("cosines-in-order", "cosines-clustered", "features", "layout")
                     for arm in ("cos-fixed", "cos-learned")]


def test_names_from_users_are_escaped(analysis):
    numbers = analysis.numbers
    numbers["runs"][0] |= {"run": "<b>&", "arm": "<i>"}

    text = page(numbers, [], analysis.folder)
    assert "<b>" not in text and "<i>" not in text and "&lt;b&gt;&amp;" in text


def test_outputs_are_computed_once_per_model_file(two_runs, analysis, monkeypatch):
    """A second analysis asks neither the model nor the data; a changed model file is asked again."""
    import keras_fixhead.evaluation

    def fail(run):
        raise AssertionError("the model was loaded again")

    monkeypatch.setattr(keras_fixhead.evaluation, "run_predictor", fail)
    first = RunOutputs(two_runs[0]).arrays("test")
    np.testing.assert_array_equal(first.features, analysis.runs[0].test.features)
    with two_runs[1].model_path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(AssertionError, match="loaded again"):
        RunOutputs(two_runs[1]).arrays("test")


def write_images(folder, shade):
    """Writes a folder of small pictures of two classes, 32 x 32 pixels of grey."""
    for name, level in (("one", shade), ("two", 255 - shade)):
        (folder / "test" / name).mkdir(parents=True, exist_ok=True)
        (folder / "train" / name).mkdir(parents=True, exist_ok=True)
        for number in range(2):
            pixels = np.full((32, 32, 3), level + number, np.uint8)
            for part in ("train", "test"):
                Image.fromarray(pixels).save(folder / part / name / f"{number}.png")


def test_outputs_of_another_folder_of_the_same_name_are_computed_again(two_runs, tmp_path):
    for number, parent in enumerate(("here", "there")):
        write_images(tmp_path / parent / "flowers", 40 + 60 * number)
    here, there = (RunOutputs(two_runs[0]).unknown(str(tmp_path / parent / "flowers"))[0]
                   for parent in ("here", "there"))
    assert not np.allclose(here.features, there.features)

    again = RunOutputs(two_runs[0]).unknown(str(tmp_path / "here" / "flowers"))[0]
    np.testing.assert_array_equal(again.features, here.features)


def test_outputs_of_changed_files_are_computed_again_and_of_missing_files_are_kept(two_runs, tmp_path, caplog):
    folder = tmp_path / "flowers"
    write_images(folder, 40)
    caplog.set_level("INFO", "keras_fixhead")
    first = RunOutputs(two_runs[0]).unknown(str(folder))[0]
    assert f"{two_runs[0].name}: computing the features of 4 images (of-flowers)." in caplog.messages
    write_images(folder, 90)
    second = RunOutputs(two_runs[0]).unknown(str(folder))[0]
    assert not np.allclose(first.features, second.features)

    shutil.rmtree(folder)
    np.testing.assert_array_equal(RunOutputs(two_runs[0]).unknown(str(folder))[0].features, second.features)


@pytest.mark.parametrize("dataset, same", [("cifar10", False), ("digits", True)])
def test_the_folder_of_the_data_is_part_of_what_outputs_are_kept_under(dataset, same):
    one, other = (data_key({"dataset": dataset, "data_dir": folder, "classes": None}) for folder in ("a", "b"))

    assert (one == other) is same
    assert one != data_key({"dataset": dataset, "data_dir": "a", "classes": "cat,dog"})


@pytest.mark.parametrize("fields, negative", [
    ({"model": "resnet18", "signed_features": False}, False), ({"model": "resnet18", "signed_features": True}, True),
    ({"model": "fast_cnn", "signed_features": False}, True)])
def test_features_after_a_gelu_can_be_negative(fields, negative):
    """Otherwise a page would show a loss below the smallest possible one."""
    assert measured._may_be_negative(TrainConfig(**fields)) is negative


@pytest.mark.parametrize("head, seen", [("cos", True), ("dot", False)])
def test_collapse_of_cosine_heads_does_not_depend_on_lengths(analysis, head, seen):
    run = analysis.runs[0]
    config = dataclasses.replace(run.config, head=head)
    lengths = np.linalg.norm(measured._seen(run.train, config).features, axis=1)

    assert np.allclose(lengths, 1) is seen


def test_arms_are_named_by_what_differs(analysis):
    config = analysis.runs[0].config
    changed = dataclasses.replace(config, scale=20.0, fixed=not config.fixed, seed=7)
    names = arm_names([config, changed, dataclasses.replace(config, seed=3)])
    assert names[0] == names[2] and names[0].endswith("S = 1") and names[1].endswith("S = 20")


def test_runs_that_cannot_be_analyzed_are_refused_in_one_line(two_runs, tmp_path):
    with pytest.raises(ArgumentError, match="Give at least one run") as none:
        analyze_runs([], tmp_path)
    assert none.value.hint == "List your runs: fixhead list runs"
    with pytest.raises(ArgumentError, match="one is given twice") as twice:
        analyze_runs([two_runs[0], two_runs[0]], tmp_path)
    assert twice.value.hint == "Give each run once."
    (tmp_path / "config.json").write_text((two_runs[0].path / "config.json").read_text())
    with pytest.raises(RunError, match="has no model") as empty:
        analyze_runs([open_run(tmp_path)], tmp_path)
    assert empty.value.hint == f"Continue it: {open_run(tmp_path).resume_command}"


def test_two_runs_of_one_arm_and_seed_are_refused(two_runs, tmp_path):
    """They counted as two seeds, and halved the width of intervals."""
    again = open_run(shutil.copytree(two_runs[0].path, tmp_path / "again"))
    with pytest.raises(ArgumentError, match=r"one and .*again are both cos-fixed with seed 0") as caught:
        analyze_runs([two_runs[0], two_runs[1], again], tmp_path)
    assert caught.value.hint == "Give one of them."
    analyze.measure_runs([two_runs[0], two_runs[1]])


def test_a_failed_run_is_named_and_left_out_of_the_others(two_runs, tmp_path, monkeypatch, caplog):
    """One run whose loss became NaN stopped the analysis of all others."""
    monkeypatch.setattr(summary, "PERMUTATIONS", 19)
    monkeypatch.setattr(summary, "DRAWS", 9)
    monkeypatch.setattr(draw_figures, "PARTS", draw_figures.PARTS[:1])
    failed = open_run(shutil.copytree(two_runs[1].path, tmp_path / "diverged"))
    failed.model_path.unlink()
    reason = "The loss is nan in epoch 2, step 1: this run failed to converge."
    failed.write_status("failed", epoch=1, reason=reason)
    found = analyze_runs([failed, two_runs[0]], tmp_path / "out")

    assert [each.run.name for each in found.runs] == ["one"]
    assert found.numbers["left_out"] == [{"run": "diverged", "reason": reason}]
    assert [(each.arm, each.config.seed) for each in found.failed] == [(found.runs[0].arm, 1)]  # a result for claims
    assert f"diverged</code> ({reason})" in found.page.read_text()
    assert "Left out, because they failed and have no model: diverged." in caplog.messages
    with pytest.raises(RunError, match="diverged has no model"):
        analyze_runs([failed], tmp_path / "alone")


@pytest.mark.parametrize("classes, unknown", [("0,1,2,3,4,5,6,7,8", 1), ("0,1,2,3,4,5,6,7,8,9", 0)])
def test_runs_on_all_classes_but_one_or_on_all_of_them_by_name_are_analyzed(classes, unknown, tmp_path, monkeypatch):
    """One left-out class can be told from the others, but nothing can be retrieved among its images."""
    monkeypatch.setattr(summary, "PERMUTATIONS", 19)
    monkeypatch.setattr(summary, "DRAWS", 9)
    monkeypatch.setattr(draw_figures, "PARTS", draw_figures.PARTS[:1])
    run = train(build_config({"recipe": "smoke", "width": 1 / 16, "limit_train": 90, "epochs": 1, "classes": classes,
                              "runs_dir": str(tmp_path)}))
    (found,) = analyze_runs([run]).numbers["runs"]

    assert ("held_out" in found["numbers"], "open_set" in found["numbers"]) == (False, bool(unknown))
    assert (found["unknown"] or {"classes": 0})["classes"] == unknown
