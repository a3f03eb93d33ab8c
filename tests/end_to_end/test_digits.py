"""From training to corrupted images over REST, using the command line on the bundled digits."""
import dataclasses
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from fixhead_serving.client import Client, encode_png
from fixhead_serving.export import SIGNATURES, export_model
from keras_fixhead.data import load_dataset
from keras_fixhead.errors import ArgumentError
from keras_fixhead.models import build_model, load_model
from keras_fixhead.robustness import measure_robustness

SCALE = 5.0


def run_json(*arguments):
    done = subprocess.run([sys.executable, "-m", "fixhead_cli", *map(str, arguments), "--json"], capture_output=True,
                          text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("end_to_end")


@pytest.fixture(scope="module")
def trained(folder):
    return run_json("train", "--dataset", "digits", "--recipe", "smoke", "--scale", SCALE, "--epochs", 3, "--runs-dir",
                    folder / "runs", "--quiet")


@pytest.fixture(scope="module")
def exported(folder, trained):
    return run_json("export", trained["run"], folder / "served" / "digits")


@pytest.fixture(scope="module")
def url(folder, exported):
    command = [sys.executable, "-m", "fixhead_cli", "serve", str(folder / "served" / "digits"), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    yield process.stdout.readline().split()[-1]
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0


@pytest.fixture(scope="module")
def model(trained):
    return load_model(trained["run"])


@pytest.fixture(scope="module")
def test_split():
    return load_dataset("digits").test


def test_training_learns_and_reports_the_run_directory(trained):
    assert Path(trained["run"]).is_absolute()
    assert trained["accuracy"]["test"] > 0.2  # three epochs at an eighth of the width; chance is 0.1
    assert set(trained["accuracy"]) == {"validation", "test"}


def test_evaluating_the_run_in_another_process_gives_the_reported_accuracy(fixhead, trained):
    assert fixhead("evaluate", trained["run"], "--json").json["accuracy"] == trained["accuracy"]


def test_show_and_list_report_the_run(fixhead, folder, trained):
    shown = fixhead("show", trained["run"], "--json").json
    (listed,) = fixhead("list", "runs", "--runs-dir", folder / "runs", "--json").json["runs"]

    assert shown["status"]["state"] == listed["state"] == "complete"
    assert shown["accuracy"] == listed["accuracy"] == trained["accuracy"]


def test_resuming_a_complete_run_says_so_and_exits_with_0(fixhead, trained):
    answer = fixhead("train", "--resume", trained["run"], "--json")

    assert answer.code == 0 and "is complete" in answer.err
    assert answer.json["run"] == trained["run"]


def test_the_first_export_is_version_1_with_labels_and_the_next_is_2(exported, model, folder):
    shutil.copytree(folder / "served" / "digits", folder / "served" / "other")
    again = export_model(model, folder / "served" / "other", label_names=[str(digit) for digit in range(10)])

    assert (exported["name"], exported["version"]) == ("digits", 1)
    assert (Path(exported["path"]) / "saved_model.pb").is_file()
    assert (Path(exported["path"]) / "assets.extra" / "labels.txt").read_text().split() == list("0123456789")
    assert again.version == 2
    assert not list((folder / "served" / "other").glob(".tmp-*"))


def test_the_signatures_have_the_documented_names_and_types(url):
    with Client(url) as client:
        found = client.metadata()["metadata"]["signature_def"]["signature_def"]
    tensors = {name: ({key: value["dtype"] for key, value in each["inputs"].items()}, set(each["outputs"]))
               for name, each in found.items()}
    answers = {"logits", "probabilities", "cosines", "class_index", "label"}

    assert set(tensors) == set(SIGNATURES)
    assert tensors["serving_default"] == ({"images": "DT_FLOAT"}, answers)
    assert tensors["serving_bytes"] == ({"image_bytes": "DT_STRING"}, answers)
    assert tensors["features"] == ({"images": "DT_FLOAT"}, {"features", "embedding"})


def test_the_server_gives_the_same_answers_as_the_model(url, model, test_split):
    images = test_split.images[:40]
    own = model.predict(images, verbose=0)
    with Client(url) as client:
        by_array = client.predict_images(images.astype(np.float32))
        by_picture = client.predict_pictures([encode_png(image) for image in images])

    for answer in (by_array, by_picture):
        np.testing.assert_allclose(answer["logits"], own, atol=1e-4 * SCALE)
        np.testing.assert_allclose(answer["cosines"] * SCALE, answer["logits"], atol=1e-5)
        np.testing.assert_allclose(answer["probabilities"].sum(axis=1), 1, atol=1e-5)
        assert (answer["class_index"] == own.argmax(axis=1)).all()
        assert answer["label"].tolist() == [str(index) for index in own.argmax(axis=1)]


def test_the_run_and_the_server_give_a_picture_the_same_label(fixhead, url, trained, test_split, folder):
    files = []
    for number, size in enumerate([(32, 32), (80, 60)]):  # one of the model's size, one to be resized
        files.append(folder / f"{number}.png")
        Image.fromarray(test_split.images[number]).resize(size).save(files[-1])
    turned = Image.Exif()
    turned[0x0112] = 6
    files += [folder / "turned.png", folder / "bytes.npy", folder / "floats.npy"]
    Image.fromarray(test_split.images[2]).resize((50, 40)).save(files[2], exif=turned)
    np.save(files[3], test_split.images[3:6, :20])  # of another size
    np.save(files[4], test_split.images[6:9].astype(np.float32))
    by_run, by_server = (fixhead("predict", target, *files, "--json").json["predictions"]
                         for target in (trained["run"], url))

    assert [(row["file"], row.get("index"), row["label"], row["class_index"]) for row in by_run] == \
        [(row["file"], row.get("index"), row["label"], row["class_index"]) for row in by_server]
    assert len(by_run) == 3 + 3 + 3
    np.testing.assert_allclose([row["probability"] for row in by_run], [row["probability"] for row in by_server],
                               atol=1e-4)


def test_corrupted_images_get_the_same_classes_locally_and_over_rest(url, model, test_split):
    with Client(url) as client:
        over_rest = measure_robustness(
            lambda images: client.classify(images)["class_index"], test_split, limit=30, seed=3)
    in_process = measure_robustness(lambda images: model.predict(images, verbose=0).argmax(axis=1), test_split,
                                    limit=30, seed=3)

    assert over_rest.accuracy == in_process.accuracy
    for key, predicted in in_process.predictions.items():
        np.testing.assert_array_equal(over_rest.predictions[key], predicted)


def test_the_robustness_command_gives_the_same_for_the_run_and_the_server(fixhead, url, trained):
    by_run = fixhead("robustness", trained["run"], "--limit", 20, "--quiet", "--json").json
    by_server = fixhead("robustness", url, "--dataset", "digits", "--limit", 20, "--quiet", "--json").json

    assert by_run["accuracy"] == by_server["accuracy"] and by_run["n"] == 20
    assert (Path(trained["run"]) / "robustness" / "paper-n20.json").is_file()


@pytest.mark.parametrize("body", [
    {"instances": [1.0]},  # wrong rank: without a check this would abort the process
    {"instances": [[[1.0, 2.0, 3.0]]]},
    {"instances": np.zeros((1, 16, 16, 3)).tolist()},
    {"instances": np.zeros((1, 32, 32, 1)).tolist()},
    {"instances": []},
    {"instances": [{"image_bytes": {"b64": "bm8gcGljdHVyZQ=="}}], "signature_name": "serving_bytes"},
    {"signature_name": "nothing", "instances": [1]},
    {"inputs": {"images": "text"}},
    {},
])
def test_an_invalid_request_is_refused_and_the_server_keeps_running(url, body, test_split):
    answer = httpx.post(f"{url}:predict", json=body, timeout=30)
    with Client(url) as client:
        after = client.predict_images(test_split.images[:1].astype(np.float32))

    assert 400 <= answer.status_code < 500 and answer.json()["error"]
    assert after["logits"].shape == (1, 10)


def test_a_port_in_use_gives_a_one_line_error(fixhead, url, folder, exported):
    port = httpx.URL(url).port
    answer = fixhead("serve", folder / "served" / "digits", "--port", port)

    assert answer.code == 1 and "--port 0" in answer.err and "Traceback" not in answer.err


def test_exporting_to_an_unwritable_folder_gives_a_one_line_error(fixhead, trained):
    answer = fixhead("export", trained["run"], "/dev/null/served")

    assert answer.code == 2 and "/dev/null is a file" in answer.err and "Traceback" not in answer.err


def test_a_model_that_cannot_be_served_is_refused(tmp_path):
    labels = [str(digit) for digit in range(10)]
    small = build_model("resnet18", (32, 32, 3), 10, width=1 / 64)
    with pytest.raises(ArgumentError, match="9 label names for 10 classes"):
        export_model(small, tmp_path / "m", label_names=labels[:9])
    with pytest.raises(ArgumentError, match="its name is part of URLs"):
        export_model(small, tmp_path / "a b", label_names=labels)


def test_dot_heads_have_no_cosines_in_their_answers(tmp_path):
    import tensorflow as tf

    model = build_model("resnet18", (32, 32, 3), 10, width=1 / 64, logits="dot")
    exported = export_model(model, tmp_path / "m", label_names=[str(digit) for digit in range(10)])
    loaded = tf.saved_model.load(str(exported.path))

    assert set(loaded.signatures["serving_default"].structured_outputs) == {
        "logits", "probabilities", "class_index", "label"}


def test_the_export_uses_only_operations_that_a_stock_server_can_run(exported):
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((Path(exported["path"]) / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    compiled = [function.signature.name for function in graph.library.function
                if function.attr["_XlaMustCompile"].b]

    assert not {node.op for node in nodes} & {"PyFunc", "EagerPyFunc", "PyFuncStateless", "XlaCallModule"}
    assert not compiled


def test_terminated_training_says_so_and_resumes(fixhead, tmp_path):
    command = [sys.executable, "-m", "fixhead_cli"]
    arguments = ["train", "--dataset", "digits", "--recipe", "smoke", "--epochs", "4", "--runs-dir", str(tmp_path)]
    with subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, text=True) as process:
        printed = ""
        for line in process.stderr:
            printed += line
            if line.startswith("epoch 1/"):
                process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 143
    (run,) = tmp_path.iterdir()
    status = json.loads((run / "status.json").read_text())
    done = status["epoch"]

    assert status["state"] == "interrupted" and 1 <= done < 4
    assert status["resume"] == f"fixhead train --resume {run}" and status["resume"] in printed
    assert "Traceback" not in printed
    assert fixhead("train", "--resume", run, "--quiet").code == 0
    assert [json.loads(line)["epoch"] for line in (run / "metrics.jsonl").read_text().splitlines()] == [1, 2, 3, 4]
    assert json.loads((run / "status.json").read_text())["state"] == "complete"


def test_a_robustness_figure_on_the_wrong_data_is_refused(url, trained, test_split):
    from fixhead_cli.targets import RunTarget, ServerTarget
    from keras_fixhead.runs import open_run

    digits = load_dataset("digits")
    other = dataclasses.replace(digits, label_names=tuple(f"class {digit}" for digit in range(10)))
    with Client(url) as client:
        for target in (RunTarget(open_run(trained["run"])), ServerTarget(client, None, 8)):
            with pytest.raises(ArgumentError, match="--dataset"):
                target.classifier(other)(test_split.images[:2])
            assert len(target.classifier(digits)(test_split.images[:2])) == 2


def test_training_accuracy_uses_the_images_trained_on(fixhead, trained):
    answer = fixhead("evaluate", trained["run"], "--split", "train", "--json")

    assert answer.json["evaluation"]["train"]["n"] == 1_257  # the recipe allows 2,000
