"""`fixhead predict` with a small server with known answers: the class of a picture is its strongest colour."""
import base64
import io
import json
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from colour_server import COLOURS, LABELS, answer_to, picture
from PIL import Image

BLOCKED = """
import sys
for name in ("keras", "tensorflow", "jax", "torch", "tensorflow_datasets", "scipy", "sklearn"):
    sys.modules[name] = None
sys.argv = ["fixhead", *sys.argv[1:]]
from fixhead_cli.main import main
main()
"""


# Predictions


def test_pictures_get_one_line_each_in_the_order_of_the_arguments(fixhead, server, tmp_path):
    files = [picture(tmp_path / f"{colour}.png", colour) for colour in ("blue", "red")]
    answer = fixhead("predict", server.url, *files)

    assert answer.code == 0 and answer.err == ""
    assert [re.sub(r"\(.*\)", "(.)", line) for line in answer.out.splitlines()] == [
        f"{files[0]}: blue (.)", f"{files[1]}: red (.)"]


def test_a_folder_is_sent_in_batches_and_json_is_one_object(fixhead, server, folder):
    result = fixhead("predict", server.url, folder, "--batch-size", 4, "--json").json

    assert [len(body["inputs"]) for _, _, body in server.requests] == [4, 4, 1]
    assert [row["label"] for row in result["predictions"]] == ["red", "green", "blue"] * 3
    assert set(result) == {"target", "predictions", "skipped"} and result["skipped"] == []
    assert set(result["predictions"][0]) == {"file", "label", "class_index", "probability"}
    assert result["predictions"][0]["probability"] == pytest.approx(200.001 / 235.004)


def test_top_k_reads_class_names_from_a_file(fixhead, server, tmp_path):
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    file = picture(tmp_path / "a.png", "green")
    answer = fixhead("predict", server.url, file, "--top-k", 4, "--labels", tmp_path / "labels.txt")

    assert re.fullmatch(rf"{file}: green \(.*?\), red \(.*?\), blue \(.*?\), never the best \(.*?\)\n", answer.out)


def test_top_k_without_a_file_uses_the_names_in_the_answers_or_class_numbers(fixhead, server, tmp_path):
    files = [picture(tmp_path / f"{colour}.png", colour) for colour in ("blue", "red")]
    rows = fixhead("predict", server.url, *files, "--top-k", 3, "--json").json["predictions"]
    text = fixhead("predict", server.url, *files, "--top-k", 3).out

    # the second picture reveals the name red, no picture reveals green
    assert {each["class_index"]: each["label"] for each in rows[0]["top"]} == {0: "red", 1: None, 2: "blue"}
    assert rows[0]["top"][0] == {"label": "blue", "class_index": 2, "probability": rows[0]["probability"]}
    assert text.count("class 1 (") == 2


@pytest.mark.parametrize("names, expected", [
    (["red", "green"], "There are 2 label names for a model with 4 classes"),
    (["green", "red", "blue", "x"], "Class 0 is 'red' in the model's answer and 'green' in the given names"),
])
def test_a_label_file_for_other_classes_is_detected(fixhead, server, tmp_path, names, expected):
    (tmp_path / "labels.txt").write_text("\n".join(names))
    answer = fixhead("predict", server.url, picture(tmp_path / "a.png"), "--labels", tmp_path / "labels.txt")

    assert answer.code == 2 and answer.out == "" and expected in answer.err
    assert len(answer.err.strip().splitlines()) == 2


def test_arrays_get_one_prediction_per_image(fixhead, server, tmp_path):
    images = np.array([np.full((2, 2, 3), COLOURS[colour]) for colour in ("blue", "green", "red")])
    np.save(tmp_path / "bytes.npy", images.astype(np.uint8))
    np.savez(tmp_path / "floats.npz", images=images.astype(np.float32))
    files = [tmp_path / "bytes.npy", tmp_path / "floats.npz"]
    rows = fixhead("predict", server.url, *files, "--batch-size", 2, "--json").json["predictions"]

    assert [(row["index"], row["label"]) for row in rows] == [(0, "blue"), (1, "green"), (2, "red")] * 2
    assert [body["signature_name"] for _, _, body in server.requests] == ["serving_bytes"] * 2 + ["serving_default"] * 2
    assert f"{tmp_path / 'bytes.npy'}[1]: green (" in fixhead("predict", server.url, tmp_path / "bytes.npy").out


def test_an_array_with_numbers_that_are_not_finite_is_refused_with_the_row(fixhead, server, tmp_path):
    images = np.zeros((5, 2, 2, 3), np.float32)
    images[3, 1] = np.nan
    np.save(tmp_path / "bad.npy", images)
    answer = fixhead("predict", server.url, tmp_path / "bad.npy", "--batch-size", 2)
    assert answer.code != 0 and "bad.npy has NaN or infinity, first in row 3." in answer.err


def test_numbers_are_compressed_on_request(fixhead, server, tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(1, 120, 120, 3)).astype(np.float32))
    plain = fixhead("predict", server.url, tmp_path / "a.npy")
    packed = fixhead("predict", server.url, tmp_path / "a.npy", "--gzip")
    lengths = [int(headers["Content-Length"]) for _, headers, _ in server.requests]

    assert plain.out == packed.out and server.requests[0][2] == server.requests[1][2]
    assert lengths[1] < 0.6 * lengths[0]


def test_a_rotated_picture_is_sent_upright(fixhead, server, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    file = picture(tmp_path / "a.jpg", size=(6, 4), exif=exif)
    fixhead("predict", server.url, file)

    *asked, (_, _, body) = server.requests  # before, how the model fits and decodes pictures
    assert Image.open(io.BytesIO(base64.b64decode(body["inputs"][0]["b64"]))).size == (4, 6)
    fixhead("predict", server.url, picture(tmp_path / "b.jpg", size=(6, 4)))
    assert len(asked) > 1 and len(server.requests) == len(asked) + 2  # nothing is asked for pictures that are upright


def test_the_token_comes_from_the_option_or_the_environment(fixhead, server, tmp_path, monkeypatch):
    file = picture(tmp_path / "a.png")
    fixhead("predict", server.url, file, "--token", "one")
    monkeypatch.setenv("FIXHEAD_TOKEN", "two")
    fixhead("predict", server.url, file)

    assert [headers["Authorization"] for _, headers, _ in server.requests] == ["Bearer one", "Bearer two"]


def test_robustness_accepts_the_same_options(fixhead, server):
    answer = fixhead("robustness", server.url, "--dataset", "digits", "--limit", 2, "--token", "one", "--quiet")

    assert {headers["Authorization"] for _, headers, _ in server.requests} == {"Bearer one"}  # not only of the first
    assert answer.code == 2 and "labels are not those of this data set" in answer.err


def test_robustness_without_labels_says_what_counts_as_wrong(fixhead, server, tmp_path):
    for name in ("red", "black"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(3):
            picture(tmp_path / "set" / name / f"{number}.png", "red", (32, 32))
    options = ("--dataset", tmp_path / "set", "--corruption", "jpeg_compression", "--severities", 1, "--quiet",
               "--json")
    (tmp_path / "labels.txt").write_text("\n".join(COLOURS))
    without, known = fixhead("robustness", server.url, *options).json, fixhead(
        "robustness", server.url, "--labels", tmp_path / "labels.txt", *options).json

    assert (without["n"], without["clean"], known["n"], known["clean"]) == (6, 0.5, 3, 1.0)
    assert without["notes"] == [
        "Without --labels, pictures of classes that the server's model does not have count as wrong."]
    assert known["notes"][0].endswith("not in the run, and its pictures are left out: black.")


# Errors


def test_unreadable_files_are_listed_together_and_the_others_predicted(fixhead, server, folder):
    (folder / "3a.png").write_bytes(b"broken")
    answer = fixhead("predict", server.url, folder, folder / "missing.png", "--json")

    assert answer.code == 1 and len(answer.json["predictions"]) == 9
    assert [skip["file"] for skip in answer.json["skipped"]] == [str(folder / "3a.png"), str(folder / "missing.png")]
    assert answer.err.splitlines() == [
        "Left out 2 of 11 files:",
        f"  {folder / '3a.png'} is not a readable picture.",
        f"  {folder / 'missing.png'} cannot be read: No such file or directory.",
    ]


def test_a_long_list_of_unreadable_files_is_shortened(fixhead, server, folder):
    for number in range(30):
        (folder / f"broken-{number}.png").write_bytes(b"x")
    answer = fixhead("predict", server.url, folder, "--json")

    assert len(answer.err.splitlines()) == 22 and answer.err.endswith("  and 10 more (--json names all)\n")
    assert len(answer.json["skipped"]) == 30


def test_nothing_is_printed_if_no_file_is_readable(fixhead, server, tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    answer = fixhead("predict", server.url, tmp_path / "a.png", tmp_path / "b.png", "--json")

    assert answer.code == 1 and answer.out == "" and server.requests == []
    assert "a.png is not a readable picture." in answer.err and "b.png cannot be read" in answer.err
    assert len(answer.err.strip().splitlines()) == 2 and answer.err.strip().endswith("WebP, TIFF or AVIF files.")


def test_a_picture_refused_by_the_server_is_skipped_and_the_others_predicted(fixhead, server, folder):
    picture(folder / "more" / "7.png", "green", size=(5, 5))
    refused = base64.b64encode((folder / "more" / "7.png").read_bytes()).decode()
    server.answer = lambda body: ((400, {"error": "Invalid PNG data, size 7"}) if {"b64": refused} in body["inputs"]
                                  else (200, answer_to(body)))
    answer = fixhead("predict", server.url, folder, "--json")

    assert answer.code == 1 and len(answer.json["predictions"]) == 8
    assert "Invalid PNG data" in answer.json["skipped"][0]["reason"] and "7.png" in answer.err


@pytest.mark.parametrize("status, content, expected", [
    (404, {"error": "Servable not found for request: Latest(m)"}, "Servable not found for request: Latest(m)"),
    (401, {"error": "no token"}, "--token"),
    (200, {"outputs": {"logits": [[1.0]]}}, "does not return class_index, label, probabilities; it returns logits"),
    (200, {"outputs": {"class_index": [9], "label": ["x"], "probabilities": [[1.0]]}}, "are inconsistent"),
    (200, {"outputs": {"class_index": [0], "label": ["x"], "probabilities": [1.0]}}, "are inconsistent"),
    (200, {"outputs": {"class_index": [0.5], "label": ["x"], "probabilities": [[1.0]]}}, "are inconsistent"),
    (200, {"predictions": []}, "not an object with 'outputs'"),
])
def test_invalid_answers_are_a_one_line_error_and_a_hint(fixhead, server, tmp_path, status, content, expected):
    server.answer = lambda body: (status, content)
    answer = fixhead("predict", server.url, picture(tmp_path / "a.png"))

    assert answer.code == 1 and answer.out == "" and expected in answer.err
    assert len(answer.err.strip().splitlines()) <= 2 and "Traceback" not in answer.err


@pytest.mark.parametrize("arguments, expected", [
    (["URL", "FOLDER"], "has no pictures"),
    (["URL", "a.npy"], "a.npy cannot be read"),
    (["runs/none", "PICTURE"], "runs/none does not exist. Expected a run directory, or a served model's address"),
    (["URL", "a.npy", "--curl"], "a.npy cannot be read"),
    (["URL", "b.npy", "--curl"], "b.npy is not a picture: --curl cannot send arrays"),
    (["URL", "PICTURE", "--labels", "none.txt"], "none.txt does not exist"),
    (["URL", "PICTURE", "--timeout", "0"], "--timeout"),
    (["URL", "PICTURE", "--top-k", "0"], "--top-k"),
    (["URL", "PICTURE", "--ca-cert", "none.pem"], "none.pem"),
    (["http://h/", "PICTURE"], "is not a served model's URL"),
    (["URL"], "Missing argument"),
])
def test_invalid_arguments_are_a_one_line_error_and_a_hint(fixhead, server, tmp_path, monkeypatch, arguments, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    np.save("b.npy", np.zeros((1, 2, 2, 3), np.uint8))
    words = {"URL": server.url, "FOLDER": tmp_path / "empty", "PICTURE": picture(tmp_path / "a.png")}
    answer = fixhead("predict", *[words.get(each, each) for each in arguments])

    assert answer.code in (1, 2) and answer.out == "" and expected in answer.err
    assert len(answer.err.strip().splitlines()) <= 2 and server.requests == []


# Frameworks, progress, sheet


@pytest.mark.parametrize("more", [[], ["--sheet", "sheet.png"], ["--top-k", "2", "--json"], ["--curl"]])
def test_predicting_with_a_server_works_without_any_framework(server, folder, tmp_path, more):
    done = subprocess.run([sys.executable, "-c", BLOCKED, "predict", server.url, str(folder), *more],
                          capture_output=True, text=True, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stderr == "" and done.stdout


def test_without_a_terminal_progress_is_a_line_per_thousand_images(fixhead, server, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2_100, 1, 1, 3), np.float32))
    loud = fixhead("predict", server.url, tmp_path / "a.npy", "--batch-size", 500, "--json")
    quiet = fixhead("predict", server.url, tmp_path / "a.npy", "--batch-size", 500, "--json", "--quiet")

    assert loud.err.splitlines() == ["Predicted: 1,000 of 2,100", "Predicted: 2,000 of 2,100"]
    assert quiet.err == "" and quiet.out == loud.out and len(loud.json["predictions"]) == 2_100


def test_on_a_terminal_progress_is_a_bar_and_standard_output_stays_clean(server, folder):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "fixhead_cli", "predict", server.url, str(folder), "--batch-size", "3", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)

    assert done.returncode == 0 and len(json.loads(done.stdout)["predictions"]) == 9
    assert "Predicted" in shown and "9/9" in shown


@pytest.mark.parametrize("size", [(6, 4), (300, 20), (20, 300)])
def test_a_contact_sheet_is_drawn_for_pictures_and_arrays_of_any_shape(fixhead, server, folder, tmp_path, size):
    picture(folder / "odd $x^2$ name_.png", "green", size=size)
    np.save(tmp_path / "a.npy", np.full((2, 3, 3, 3), 300.0, np.float32))
    answer = fixhead("predict", server.url, folder, tmp_path / "a.npy", "--sheet", tmp_path / "sheet.png", "--json")

    assert answer.code == 0, answer.err
    assert answer.json["sheet"] == str(tmp_path / "sheet.png")
    assert min(Image.open(tmp_path / "sheet.png").size) > 300


def test_names_in_any_script_or_without_a_font_do_not_break_the_sheet(fixhead, server, tmp_path):
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff new\nline.png")
    picture(tmp_path / "a.png")
    (tmp_path / "a.png").rename(odd)
    outputs = {"probabilities": [[1.0]], "class_index": [0], "label": ["\U000f1234 $"]}  # in no font
    server.answer = lambda body: (200, {"outputs": outputs})
    answer = fixhead("predict", server.url, odd, "--sheet", tmp_path / "sheet.png", "--json")

    assert answer.code == 0 and (tmp_path / "sheet.png").is_file()
    assert len(answer.err.splitlines()) == 1 and "No installed font has the characters of a class name" in answer.err
    assert os.fsencode(answer.json["predictions"][0]["file"]) == os.fsencode(odd)


def test_a_sheet_that_cannot_be_written_is_a_one_line_error(fixhead, server, folder, tmp_path):
    answer = fixhead("predict", server.url, folder, "--sheet", tmp_path / "none" / "sheet.png")

    assert answer.code == 2 and "sheet.png cannot be written" in answer.err


# curl

ODD_NAMES = ["plain.png", "two words.png", "it's \"$HOME\" `id` $(id) \\ %s %%.png", "-n.png", "new\nline.png",
             "é;&|.png"]


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_curl_command_works_when_pasted(fixhead, server, tmp_path, shell, monkeypatch):
    for program in (shell, "curl", "base64", "tr"):
        if not shutil.which(program):
            pytest.skip(f"the command needs {program}, which is not installed; .ci/run counts this as NOT RUN")
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(ODD_NAMES):
        picture(tmp_path / name, list(COLOURS)[number % 3])
    monkeypatch.setenv("FIXHEAD_TOKEN", "se\"cret'$x")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (250, 300, 3)).astype(np.uint8)).save("large.png")
    assert (tmp_path / "large.png").stat().st_size > 2**17  # more than fits into a command-line argument
    files = [*(f"./{name}" if name.startswith("-") else name for name in ODD_NAMES), "large.png"]
    line = fixhead("predict", server.url, *files, "--curl").out
    assert server.requests == [] and line.count("\n") == 2  # the end marker, and the same text in a file name
    done = subprocess.run([shell, "-c", line], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    by_client = fixhead("predict", server.url, *files, "--json").json["predictions"]

    (path, headers, body), (_, client_headers, client_body) = server.requests
    assert path == "/v1/models/colours:predict" and body == client_body
    assert headers["Authorization"] == client_headers["Authorization"] == "Bearer se\"cret'$x"
    assert json.loads(done.stdout)["outputs"]["label"] == [row["label"] for row in by_client]


def test_there_is_one_curl_command_per_batch(fixhead, server, folder):
    lines = fixhead("predict", server.url, folder, "--batch-size", 4, "--curl", "--json").json["curl"]

    assert [line.count("base64 <") for line in lines] == [4, 4, 1] and server.requests == []
    assert shlex.split(lines[0])


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl, which is missing; .ci/run counts this as NOT RUN")
def test_curl_reports_a_refusal(fixhead, server, tmp_path):
    server.answer = lambda body: (400, {"error": "no such thing"})
    line = fixhead("predict", server.url, picture(tmp_path / "a.png"), "--curl").out
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True)

    assert done.returncode != 0 and "no such thing" in done.stdout
