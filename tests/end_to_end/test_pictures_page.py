"""docs/pictures.md, command by command: the accuracy is the same at every station, for its pictures and for others."""
import csv
import json
import os
import re
import shlex
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from mixed_pictures import add_rubbish, write_pictures

from keras_fixhead.data import load_dataset

pytestmark = pytest.mark.long

PAGE = (Path(__file__).parents[2] / "docs" / "pictures.md").read_text()
MODEL = "/v1/models/photographs"
SENT_AS_THEY_ARE = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
CLASSES = ("airplane", "bird", "car", "ship")


@dataclass
class Walk:
    """What the commands of the page printed, by command, and where the server is."""

    folder: Path
    printed: dict[str, str]
    url: str

    def said(self, command):
        """The output of the only command that starts with some words."""
        (found,) = [text for line, text in self.printed.items() if line.startswith(command)]
        return found

    def rows(self):
        """The class of each file of `holiday` in holiday.csv, and whether it is right."""
        with (self.folder / "holiday.csv").open() as file:
            return {str(Path(row["file"]).relative_to(self.folder)): (row["class1"], row["correct"] == "1")
                    for row in csv.DictReader(file)}

    def predicted(self, name):
        """The class of each file in the JSON of `fixhead predict`."""
        return {each["file"]: each["label"] for each in json.loads((self.folder / name).read_text())["predictions"]}


def made_by_the_page(folder):
    (block,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    subprocess.run([sys.executable, "-c", block], cwd=folder, check=True)
    return {}


def real_photographs(folder):
    """STL-10's pictures at the sizes of photographs, of all kinds; the other data set is CIFAR-10."""
    prepared = os.environ["FIXHEAD_TEST_CIFAR"]
    data = load_dataset("stl10", data_dir=prepared)
    write_pictures(folder / "photographs", data.train, data.label_names, CLASSES, 75)
    written = write_pictures(folder / "holiday", data.test, data.label_names, CLASSES, 30,
                             lambda name: {"car": "Automobile", "airplane": "Airplane"}.get(name, name))
    assert written == 120
    add_rubbish(folder / "photographs")
    (picture,) = (folder / "holiday" / "bird").glob("bird 000.*")
    return {"--dataset digits --recipe smoke --epochs 3":
            f"--dataset cifar10 --data-dir {shlex.quote(prepared)} --recipe cpu --limit-train 2000 --epochs 3",
            "@holiday/temple/000.jpg": shlex.quote(f"@holiday/bird/{picture.name}")}


@pytest.fixture(scope="module", params=[made_by_the_page, real_photographs], ids=lambda make: make.__name__)
def walk(request, tmp_path_factory):
    """Runs every command of the page, in a new folder."""
    folder = tmp_path_factory.mktemp("walk")
    (folder / "bin").mkdir()
    (folder / "bin" / "fixhead").write_text(f'#!/bin/sh\nexec {sys.executable} -m fixhead_cli "$@"\n')
    (folder / "bin" / "fixhead").chmod(0o755)
    changes = request.param(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    printed, servers = {}, []
    environment = {**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    try:
        for line in "".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S)).splitlines():
            command = line.replace("8501", port)
            for before, after in changes.items():
                command = command.replace(before, after)
            if line.startswith("fixhead serve "):
                servers.append(subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=folder, env=environment,
                                                stdout=subprocess.PIPE, text=True))
                printed[line] = servers[-1].stdout.readline()
                continue
            done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)
            assert done.returncode == line.startswith("fixhead data check"), (line, done.stdout, done.stderr)
            printed[line] = done.stdout + done.stderr
        yield Walk(folder, printed, f"http://127.0.0.1:{port}{MODEL}")
    finally:
        for server in servers:
            server.terminate()
            assert server.wait(timeout=30) == 0


def accuracy(text, split="test"):
    """'58.33 % of 60' in a line 'test: 58.33 % of 60 (95 % ...'."""
    (found,) = re.findall(rf"^{split}: ([0-9.]+ % of [0-9,]+)", text, re.M)
    return found


def test_the_check_names_what_is_broken_and_what_is_passed_over(walk):
    said = walk.said("fixhead data check")

    assert "broken.jpg is not a readable picture" in said and "as it is: 1 problem." in said
    assert (walk.folder / "sheet.png").read_bytes().startswith(b"\x89PNG")
    if (walk.folder / "photographs" / "Thumbs.db").exists():
        passed_over = ("Thumbs.db", ".DS_Store", "notes.txt", "photographs/empty")
        assert all(name in said for name in (*passed_over, "CMYK", "I;16"))


def test_the_accuracy_is_the_same_in_training_show_evaluate_and_on_the_card(walk):
    trained = walk.said("fixhead train --dataset ./photographs --image-size 48 --skip-broken --recipe cpu --epochs 8")
    card = (walk.folder / "served" / "photographs" / "1" / "assets.extra" / "model_card.md").read_text()
    percentage, count = accuracy(trained).split(" % of ")

    assert int(count) >= 48 and float(percentage) > 30  # chance is 25 or 33 % of few pictures
    assert accuracy(walk.said("fixhead show")) == accuracy(trained)
    assert accuracy(walk.printed["fixhead evaluate runs/scratch/*"]) == accuracy(trained)
    assert f"Accuracy on test: {percentage} % of {count} images" in card
    assert "12 of the run's own pictures, as files, give the answers that they gave in training." in card
    result = json.loads(next(walk.folder.glob("runs/scratch/*/result.json")).read_text())
    assert result["skipped_pictures"] == 1


def test_a_run_that_started_from_another_data_set_is_measured_as_it_was_trained(walk):
    tuned = [text for line, text in walk.printed.items() if "--init-from" in line]

    assert len(tuned) == 1 and accuracy(walk.printed["fixhead evaluate runs/tuned/*"]) == accuracy(tuned[0])


def test_every_station_gives_every_outside_picture_the_same_class(walk):
    rows = walk.rows()
    served, in_process = walk.predicted("served.json"), walk.predicted("run.json")
    by_class = {file: label for file, (label, _) in rows.items()}

    assert len(rows) >= 60 and served == in_process == by_class
    right = sum(correct for _, correct in rows.values())
    of_all = f"{100 * right / len(rows):.2f} % of {len(rows)}"
    assert accuracy(walk.said("fixhead evaluate runs/scratch/* --dataset")) == of_all
    assert accuracy(walk.said("fixhead robustness"), "clean") == of_all


def test_curl_and_plain_bodies_get_these_classes_too(walk):
    rows = walk.rows()
    with_curl = walk.said("curl").partition("{")[2].partition("}")[0]
    with httpx.Client(timeout=60) as client:
        for file, (label, _) in rows.items():
            answer = client.post(f"{walk.url}:classify-picture", content=(walk.folder / file).read_bytes())
            if file.lower().endswith(SENT_AS_THEY_ARE):
                assert answer.json()["label"] == label, file
            else:
                assert answer.status_code == 400 and "fixhead predict URL FILE" in answer.json()["error"]
    assert any(f'"label":"{label}"' in with_curl for label, _ in rows.values())


def test_the_server_has_parity_with_the_run(walk):
    assert "The answers agree: " in walk.said("fixhead check parity")
