"""Hints for the paths that `fixhead serve` and `fixhead predict` take: each is followed with files of a real export."""
import re
import subprocess

from hints import follow, hint_of, leads_out, serving
from PIL import Image

from fixhead_serving.rest import create_app
from fixhead_serving.server import ModelServer


@leads_out("Make one: fixhead export RUN DIR", "An export has it as DIR/VERSION/assets.extra/labels.txt.")
def test_an_export_makes_the_folder_and_the_file_of_names_that_hints_name(fixhead, tmp_path, digits_run, quick_export,
                                                                          monkeypatch):
    monkeypatch.setattr("fixhead_serving.process.serve", lambda *arguments, **options: None)
    base_path = tmp_path / "digits"
    follow(fixhead, hint_of(fixhead("serve", base_path)), RUN=digits_run.path, DIR=base_path)
    assert fixhead("serve", base_path).code == 0

    ask = ("robustness", "http://127.0.0.1:1/v1/models/digits", "--dataset", "digits", "--labels")
    hint = hint_of(fixhead(*ask, tmp_path / "none.txt"))
    file = re.search(r"DIR/\S+txt", hint)[0].replace("DIR", str(base_path)).replace("VERSION", "1")
    assert "labels" not in fixhead(*ask, file).err  # the next problem is that no server is there


@leads_out("Make one: openssl rand -hex 32 > FILE", "Leave it out to trust the usual authorities.",
           'Such as: model_config_list { config { name: "m" base_path: "/models/m" } }')
def test_files_are_accepted_as_their_hints_describe_them(fixhead, tmp_path, served, base_path, monkeypatch):
    monkeypatch.setattr("fixhead_serving.process.serve", lambda *arguments, **options: None)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    file = tmp_path / "file"

    hint = hint_of(fixhead("serve", base_path, "--token-file", file))
    subprocess.run(hint.removeprefix("Make one: ").replace("FILE", str(file)), shell=True, check=True)
    assert fixhead("serve", base_path, "--token-file", file).code == 0

    hint = hint_of(fixhead("serve", "--config", tmp_path / "models.config"))
    (tmp_path / "models.config").write_text(hint.removeprefix("Such as: ").replace("/models/m", str(base_path)))
    assert fixhead("serve", "--config", tmp_path / "models.config").code == 0

    with serving(create_app(ModelServer([served]))) as origin:
        ask = ("predict", f"{origin}/v1/models/tiny", tmp_path / "a.png")
        assert hint_of(fixhead(*ask, "--ca-cert", tmp_path / "none.pem")) == (
            "Leave it out to trust the usual authorities.")
        assert fixhead(*ask).code == 0
