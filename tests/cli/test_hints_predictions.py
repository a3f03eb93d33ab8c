"""Hints of `fixhead predict` and `fixhead robustness` with a server: each is printed, and leads out."""
import re

import numpy as np
import pytest
from colour_server import COLOURS, LABELS, picture
from hints import check_way_out, hint_of, leads_out
from PIL import Image

GOOD = {"class_index": [0], "label": ["red"], "probabilities": [[1.0, 0.0, 0.0, 0.0]]}


@leads_out("Give PNG, JPEG, BMP, GIF, WebP, TIFF or AVIF files.")
def test_each_form_of_pictures_that_is_named_is_read(fixhead, server, tmp_path):
    (file := tmp_path / "a.png").write_bytes(b"broken")
    hint = hint_of(fixhead("predict", server.url, file))
    forms = re.findall(r"[A-Za-z]+", hint.removeprefix("Give ").removesuffix(" files."))
    for form in set(forms) - {"or"}:
        Image.new("RGB", (8, 8), COLOURS["red"]).save(file, form.upper())
        assert fixhead("predict", server.url, file).code == 0, form


@leads_out("Export it with fixhead export.")
@pytest.mark.parametrize("outputs", [
    {"probabilities": [[1.0]]}, {**GOOD, "class_index": [9]}, {"top_classes": [[1, 2]]},
])
def test_a_model_with_the_outputs_of_an_export_is_used(fixhead, server, tmp_path, outputs):
    """Exported models have these outputs: tests/serving/export."""
    server.answer = lambda body: (200, {"outputs": outputs})
    assert hint_of(fixhead("predict", server.url, picture(tmp_path / "a.png"))) == "Export it with fixhead export."
    server.answer = lambda body: (200, {"outputs": GOOD})
    assert fixhead("predict", server.url, tmp_path / "a.png").code == 0


@leads_out("Use --top-k ..., or fewer.")
def test_as_many_classes_as_the_model_returns_can_be_asked_for(fixhead, server, tmp_path):
    server.answer = lambda body: (200, {"outputs": {
        "top_classes": [[1, 2]], "top_labels": [["a", "b"]], "top_probabilities": [[0.5, 0.25]]}})
    ask = ("predict", server.url, picture(tmp_path / "a.png"), "--top-k")
    most = re.search(r"--top-k (\d+), or fewer", hint_of(fixhead(*ask, 3)))[1]
    assert fixhead(*ask, most).code == fixhead(*ask, int(most) - 1).code == 0


@leads_out("Give the labels.txt of the same export.")
@pytest.mark.parametrize("names", [LABELS[:2], LABELS[::-1]])
def test_the_names_of_the_same_export_are_accepted(fixhead, server, tmp_path, names):
    ask = ("predict", server.url, picture(tmp_path / "a.png"), "--labels", tmp_path / "labels.txt")
    (tmp_path / "labels.txt").write_text("\n".join(names))
    assert hint_of(fixhead(*ask)) == "Give the labels.txt of the same export."
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    assert fixhead(*ask).code == 0


@leads_out("Leave it out.")
def test_an_array_is_predicted_without_the_row_that_is_named(fixhead, server, tmp_path):
    images = np.zeros((5, 2, 2, 3), np.float32)
    images[3, 1] = np.nan
    np.save(file := tmp_path / "a.npy", images)
    answer = fixhead("predict", server.url, file)
    assert hint_of(answer) == "Leave it out."
    np.save(file, np.delete(images, int(re.search(r"row (\d+)", answer.err)[1]), axis=0))
    assert fixhead("predict", server.url, file).code == 0


@leads_out("Expected http://HOST:PORT/v1/models/NAME. Serve the run: fixhead export, then fixhead serve.",
           "Give pictures, or leave --curl out.", "Leave --checkpoint out.")
def test_a_server_is_asked_for_pictures(fixhead, server, tmp_path, digits_run):
    file = picture(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", np.zeros((1, 2, 2, 3), np.uint8))
    hint = hint_of(fixhead("predict", digits_run.path, file, "--curl"))
    form = re.escape(hint.split()[1].rstrip(".")).replace("HOST:PORT", r"[\d.]+:\d+").replace("NAME", r"\w+")
    assert re.fullmatch(form, server.url) and fixhead("predict", server.url, file, "--curl").code == 0
    for command in ("export", "serve"):
        assert f"fixhead {command}" in hint and fixhead(command, "--help").code == 0

    assert hint_of(fixhead("predict", server.url, tmp_path / "a.npy", "--curl")).startswith("Give pictures, or leave")
    assert fixhead("predict", server.url, tmp_path / "a.npy").code == 0
    assert hint_of(fixhead("predict", server.url, file, "--checkpoint", "best")) == "Leave --checkpoint out."
    assert fixhead("predict", server.url, file).code == 0


@leads_out("Add --dataset NAME.", "Give a data set with classes of the model: --dataset NAME",
           "Add --labels FILE, the labels.txt of the export.")
def test_a_server_is_measured_on_data_of_its_classes_with_their_names(fixhead, server, tmp_path):
    for name in ("red", "blue"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(2):
            picture(tmp_path / "set" / name / f"{number}.png", name, (32, 32))
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    (tmp_path / "map.json").write_text('{"blue": "green"}')
    ask = ("robustness", server.url, "--corruption", "jpeg_compression", "--severities", 1, "--quiet")
    own = ("--dataset", tmp_path / "set")

    assert hint_of(fixhead(*ask)) == "Add --dataset NAME."
    assert hint_of(fixhead(*ask, "--dataset", "digits", "--limit", 2)).startswith("Give a data set with classes of the")
    assert fixhead(*ask, *own).code == 0
    hint = hint_of(fixhead(*ask, *own, "--class-map", tmp_path / "map.json"))
    assert hint == "Add --labels FILE, the labels.txt of the export."
    assert fixhead(*ask, *own, "--class-map", tmp_path / "map.json", "--labels", tmp_path / "labels.txt").code == 0


@leads_out("Leave --engine and --augmenter out.", "Leave one of them out.")
def test_one_set_of_corruptions_is_measured(fixhead, server, tmp_path, monkeypatch):
    (tmp_path / "darker.py").write_text("class Darker:\n    def seed_(self, seed): pass\n"
                                        "    def augment_image(self, image): return image // 2\n\n\nmine = Darker()\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("red", "blue"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(2):
            picture(tmp_path / "set" / name / f"{number}.png", name, (32, 32))
    (suite := tmp_path / "corrupted").mkdir()
    np.save(suite / "fog.npy", np.zeros((20, 32, 32, 3), np.uint8))
    np.save(suite / "labels.npy", np.tile([0, 0, 1, 1], 5))
    measure = f"robustness {server.url} --dataset {tmp_path / 'set'} --quiet"
    check_way_out(fixhead, f"{measure} --suite {suite} --engine imgaug", "Leave --engine and --augmenter out.",
                  f"{measure} --suite {suite}")
    check_way_out(fixhead, f"{measure} --suite paper --augmenter darker:mine", "Leave one of them out.",
                  f"{measure} --augmenter darker:mine")
