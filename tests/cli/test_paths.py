"""Paths in every option and argument of every command: one line says what is wrong."""
import io
import os
import re
from pathlib import Path

import click
import pytest
from command_tree import leaves

from fixhead_cli import dataset_paths, paths, weights_paths
from keras_fixhead.config import TrainConfig, resolve
from keras_fixhead.errors import ArgumentError, RunError
from keras_fixhead.recipes import build_config
from keras_fixhead.runs import create_run

SAID = {
    "missing": "does not exist|No such file",
    "a folder": "is a folder",
    "a file": "is a file, not a folder",
    "below a file": "cannot exist: .*file.json is a file|Not a directory",
    "in no folder": "nowhere does not exist",
    "an unreadable file": "cannot be read: Permission denied",
    "an unreadable folder": "cannot be read: Permission denied",
    "in an unwritable folder": "no permission in",
    "an empty file": "is empty|is not a readable picture",
    "a binary file": "is not UTF-8 text|is not a readable picture|not a JSON file",
    "an empty folder": "no config.json|holds? no|has no|does not contain|one subfolder|0 subfolders|version",
    "the empty path": "The empty path is not the name of a file or folder",
    "a link to nothing": "is a link to .*nothing, which does not exist|No such file",
    "too long": "File name too long",
}
ALWAYS = ("below a file", "the empty path", "a link to nothing", "too long")
FOLDER = (*ALWAYS, "missing", "a file", "an unreadable folder")
FAULTS = {
    paths.InputFile: (*ALWAYS, "missing", "a folder", "an unreadable file", "an empty file", "a binary file"),
    paths.ClassWeights: (*ALWAYS, "missing", "a folder", "an unreadable file", "an empty file", "a binary file"),
    paths.InputFolder: FOLDER,
    paths.OutputFile: (*ALWAYS, "a folder", "in no folder", "in an unwritable folder"),
    paths.OutputFolder: (*ALWAYS, "a file", "an unreadable folder", "in an unwritable folder"),
    paths.RunDirectory: (*FOLDER, "an empty folder"),
    paths.RunOrResults: (*ALWAYS, "missing", "an unreadable folder", "an unreadable file", "an empty file",
                         "a binary file", "an empty folder"),
    dataset_paths.DatasetName: (*FOLDER, "an empty folder"),
    weights_paths.TrainedModel: (*ALWAYS, "missing", "an unreadable file", "an empty file", "an empty folder"),
    weights_paths.WeightsFile: (*ALWAYS, "missing", "a folder", "an unreadable file", "an empty file"),
    paths.SuiteName: (*FOLDER, "an empty folder"),
    paths.ServedFolder: (*FOLDER, "an empty folder"),
    paths.Pictures: (*ALWAYS, "missing", "an unreadable file", "an empty file", "a binary file", "an empty folder"),
}
NOT_PATHS = {
    "pretrained": "a digest", "image_size": "a size", "targets": "names of tables",
    "classes": "names of classes", "suite": "a name", "token": "a secret", "axes": "FIELD=VALUE", "seeds": "numbers",
    "then": "commands", "versions": "a policy", "labels": "LABEL=N", "host": "an address", "name": "a name",
    "scale": "a number or a word", "recipe": "a name", "url": "an address", "server_name": "a name",
    "target": "a name on a hub", "license": "a name", "address": "an address",
    "corruptions": "names", "leave_out": "names of classes", "severities": "numbers", "augmenter": "MODULE:NAME",
    "measurement": "a name", "outside": "a name",
}
WORDS = {name: "one of a list" for name in TrainConfig.names() if TrainConfig.field(name).metadata["choices"]}
WORDS.pop("dataset")


PARAMETERS = [(words, command, each) for words, command in leaves() for each in command.params]
PATHS = [each for each in PARAMETERS if isinstance(each[2].type, paths.PathType)]
CASES = [(words, command, parameter, situation) for words, command, parameter in PATHS
         for situation in FAULTS[type(parameter.type)]
         if not (situation == "missing" and getattr(parameter.type, "optional", False))]


def wrong_path(situation, folder, monkeypatch):
    """Returns a path with the problem named by the situation."""
    path, file = folder / "given.png", folder / "file.json"
    file.write_text("{}\n")
    if situation in ("a folder", "an empty folder", "an unreadable folder"):
        path.mkdir()
    elif situation in ("an empty file", "a binary file", "an unreadable file"):
        path = folder / "given.json"
        path.write_bytes({"an empty file": b"", "a binary file": b"\x89PNG\r\n\x1a\n\0\0"}.get(situation, b"{}\n"))
    elif situation == "a link to nothing":
        path.symlink_to(folder / "nothing")
    if situation.startswith("an unreadable") or situation == "in an unwritable folder":
        refuse(monkeypatch, path)
    return {"a file": file, "below a file": file / "given.png", "in no folder": folder / "nowhere" / "given.png",
            "the empty path": "", "too long": folder / f"{'x' * 300}.png"}.get(situation, path)


def refuse(monkeypatch, path):
    """Refuses to read the path or write next to it, as without permission; a superuser has all permissions."""
    def refusing(real):
        def call(target=".", *arguments, **keywords):
            if isinstance(target, (str, os.PathLike)) and os.fspath(target) == os.fspath(path):
                raise PermissionError(13, "Permission denied")
            return real(target, *arguments, **keywords)
        return call

    monkeypatch.setattr(io, "open", refusing(io.open))
    monkeypatch.setattr(os, "scandir", refusing(os.scandir))
    access = os.access
    monkeypatch.setattr(os, "access", lambda target, *more, **keywords: os.fspath(target) != os.fspath(path.parent)
                        and access(target, *more, **keywords))


def right_value(parameter, folder):
    """Returns a valid value for the parameter."""
    kind = parameter.type
    if isinstance(kind, paths.RunDirectory):
        return "http://127.0.0.1:9/v1/models/m" if kind.or_url else create_run(
            resolve(build_config({"runs_dir": str(folder / "runs")}))).path
    if isinstance(kind, click.Choice):
        return kind.choices[0]
    if isinstance(kind, paths.InputFolder):
        (folder / "given").mkdir(exist_ok=True)
    return {dataset_paths.DatasetName: "digits", paths.SuiteName: "paper", paths.InputFolder: folder / "given",
            paths.OutputFolder: folder / "out", paths.OutputFile: folder / "out.png",
            paths.Pictures: folder / "out.png"}.get(type(kind), "digits")


@pytest.mark.parametrize("words, command, parameter, situation", [
    pytest.param(*case, id="-".join([*case[0], case[2].name, case[3]])) for case in CASES])
def test_a_wrong_path_is_a_one_line_error_with_the_reason(fixhead, tmp_path, monkeypatch, words, command, parameter,
                                                          situation):
    monkeypatch.chdir(tmp_path)
    wrong = wrong_path(situation, tmp_path, monkeypatch)
    others = [right_value(each, tmp_path) if each is not parameter else wrong for each in command.params
              if isinstance(each, click.Argument) and (each.required or each is parameter)]
    option = [parameter.opts[-1], wrong] if isinstance(parameter, click.Option) else []
    answer = fixhead(*words, *option, *others)

    assert answer.code in (1, 2) and answer.out == ""
    assert 1 <= len(answer.err.strip().splitlines()) <= 2 and answer.err.startswith("Error: ")
    assert re.search(SAID[situation], answer.err), answer.err
    assert "[Errno" not in answer.err and "Traceback" not in answer.err


def test_every_text_parameter_is_a_path_or_listed_as_not_a_path():
    """Fails for an option added without a path type and not listed as needing none."""
    plain = [(words, each.name) for words, _, each in PARAMETERS
             if isinstance(each.type, (click.Path, click.File)) or (
                 each.type is click.STRING and each.name not in NOT_PATHS | WORDS)]

    assert plain == []


def test_every_path_type_is_in_the_table():
    types = {each for module in (paths, dataset_paths, weights_paths) for each in vars(module).values()
             if isinstance(each, type) and issubclass(each, paths.PathType)}

    assert types - {paths.PathType} == set(FAULTS)


def test_a_mistyped_name_gets_a_suggestion(tmp_path):
    (tmp_path / "configuration.json").write_text("{}")

    with pytest.raises(ArgumentError, match=f"Did you mean {tmp_path / 'configuration.json'}?"):
        paths.CONFIG_FILE.convert(tmp_path / "configuraton.json", None, None)


def test_a_line_break_in_a_path_does_not_split_the_error(tmp_path):
    with pytest.raises(RunError, match=r"a\\nb' does not exist\. Expected a run directory\.") as error:
        paths.RUN.convert(tmp_path / "a\nb", None, None)

    assert "\n" not in str(error.value)


def test_the_check_does_not_read_from_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    assert paths.CONFIG_FILE.convert(str(pipe), None, None) == pipe


def test_a_tilde_is_expanded_to_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.json").write_text("{}")

    assert paths.CONFIG_FILE.convert("~/a.json", None, None) == tmp_path / "a.json"
    assert paths.DATA_DIR.convert("~/none", None, None) == str(tmp_path / "none")


def test_a_character_split_at_the_limit_of_the_check_is_text(tmp_path):
    file = tmp_path / "names.txt"
    file.write_text("a" + "猫" * 400_000)

    assert paths.LABELS_FILE.convert(str(file), None, None) == file
    assert Path(file).stat().st_size > 2**20


def test_a_file_of_class_weights_that_is_not_json_is_named_with_the_place(fixhead, tmp_path):
    file = tmp_path / "weights.json"
    file.write_text('{"cat" 2}')
    answer = fixhead("train", "--class-weights", file, "--dry-run")

    said = f"{file} is not valid JSON: line 1, column 8: expected a colon after the name"
    assert answer.code == 2 and said in answer.err
