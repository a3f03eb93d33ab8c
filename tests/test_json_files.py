import errno
import json
import os
from pathlib import Path

import pytest

from keras_fixhead.errors import RunError
from keras_fixhead.json_files import NotJson, copy_file, parse_json, read_json, write_bytes, write_json

NO_SPACE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fail(*arguments, **keywords):
    raise NO_SPACE


def test_written_content_is_read_back_without_the_schema_number(tmp_path):
    content = {"a": 1, "b": [0.1, None, "ü"], "c": {"d": True}}
    write_json(tmp_path / "x.json", content, schema=2)

    assert read_json(tmp_path / "x.json", schema=2) == content
    assert json.loads((tmp_path / "x.json").read_text())["schema"] == 2


@pytest.mark.parametrize("owner, method", [(Path, "replace"), (os, "fsync"), (Path, "chmod")])
def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, monkeypatch, owner, method):
    path = tmp_path / "x.json"
    write_json(path, {"a": 1}, schema=1)
    with monkeypatch.context() as broken:
        broken.setattr(owner, method, fail)
        with pytest.raises(RunError, match=r"x\.json cannot be written: No space left on device\."):
            write_json(path, {"a": 2}, schema=1)

    assert read_json(path, schema=1) == {"a": 1}
    assert os.listdir(tmp_path) == ["x.json"]  # noqa: PTH208


def test_content_is_flushed_to_disk_before_the_rename(tmp_path, monkeypatch):
    steps = []
    flush, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda file: (steps.append("flush"), flush(file)))
    monkeypatch.setattr(Path, "replace", lambda self, to: (steps.append("rename"), replace(self, to))[1])
    write_bytes(tmp_path / "x", b"content")

    assert steps == ["flush", "rename"]
    assert (tmp_path / "x").read_bytes() == b"content"


def test_the_file_is_readable_by_others(tmp_path):
    write_bytes(tmp_path / "x", b"content")

    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o644


def test_a_path_that_is_not_a_folder_gives_a_one_line_error():
    with pytest.raises(RunError, match=r"/dev/null/x\.json cannot be written: Not a directory\."):
        write_json(Path("/dev/null/x.json"), {}, schema=1)
    with pytest.raises(RunError, match=r"cannot be read: Not a directory\."):
        read_json(Path("/dev/null/x.json"), schema=1)


@pytest.mark.parametrize("content, message", [
    (b"", "is damaged: line 1, column 1: expected a value: text in double quotes, .* got the end of the text"),
    (b'{"schema": 1, "a"', "is damaged"),
    (b"[1, 2]", "is damaged: expected a JSON object"),
    (b'{"a": 1}', "is damaged: expected a JSON object with a 'schema' number"),
    (b'{"schema": "1"}', "is damaged"),
    (b"\xff\xfe\x00", "is damaged"),
    (b'{"schema": 2, "a": 1}', "has schema 2; this version of keras_fixhead reads up to 1. Upgrade"),
])
def test_a_damaged_file_is_an_error_naming_the_file(tmp_path, content, message):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(RunError, match=message) as caught:
        read_json(path, schema=1)

    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("links", [True, False])
def test_a_copy_is_unaffected_by_rewriting_the_original(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", fail)
    original, copy = tmp_path / "a", tmp_path / "b"
    write_bytes(original, b"one")
    copy_file(original, copy)
    write_bytes(original, b"two")

    assert (original.read_bytes(), copy.read_bytes()) == (b"two", b"one")
    copy_file(original, copy)
    assert copy.read_bytes() == b"two"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_failed_copy_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, monkeypatch):
    write_bytes(tmp_path / "a", b"new")
    write_bytes(tmp_path / "b", b"old")
    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", fail)
        with pytest.raises(RunError, match=r"b cannot be written: No space left on device\."):
            copy_file(tmp_path / "a", tmp_path / "b")

    assert (tmp_path / "b").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    with pytest.raises(RunError, match="cannot be written: No such file"):
        copy_file(tmp_path / "missing", tmp_path / "b")


def test_an_older_schema_is_read(tmp_path):
    write_json(tmp_path / "x.json", {"a": 1}, schema=1)

    assert read_json(tmp_path / "x.json", schema=3) == {"a": 1}


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(RunError, match=r"x\.json is missing\."):
        read_json(tmp_path / "x.json", schema=1)


@pytest.mark.parametrize("content, said", [
    ('{"a": 1,\n "b" 2}', "line 2, column 6: expected a colon after the name, got '2'"),
    ('{"a": 1\n "b": 2}', "line 2, column 2: expected a comma or a closing bracket, got '\"'"),
    ('{"a": [1', "line 1, column 9: expected a comma or a closing bracket, got the end of the text"),
    ("{a: 1}", "line 1, column 2: expected a name in double quotes, got 'a'"),
    ('{"a": True}', "line 1, column 7: expected a value: text in double quotes, a number, true, false, null, [...] or "
     "{...}, got 'True'"),
    ("{} {}", "line 1, column 4: expected the end of the text, got '{'"),
    ('{"a": "b}', "line 1, column 7: the text that begins here has no closing double quote"),
    ('{"a": "b\tc"}', r"line 1, column 9: text cannot have a line break or tab in it; expected \n or \t"),
    (r'{"a": "C:\data"}', r"line 1, column 10: a single backslash; expected \\ or an escape such as \n or \u00e9"),
    (r'{"a": "\u00"}', r"line 1, column 9: a single backslash; expected \\ or an escape such as \n or \u00e9"),
    ('{"a": 1,\n "b": "a",\n "a": 2}', "line 3, column 2: 'a' appears twice; expected each name once"),
    (b'{"a":\n "\xc3\xa4\xff"}', "line 2, column 4: expected UTF-8 text, got the byte 0xff"),
    ("[" * 200_000, "its brackets are nested too deeply"),
    ("1" * 5_000, "a number has too many digits; expected fewer than 4,300"),
])
def test_what_is_not_json_is_named_with_its_place_and_what_would_be_valid(content, said):
    with pytest.raises(NotJson) as caught:
        parse_json(content)

    assert str(caught.value) == said


def test_a_mark_of_the_byte_order_is_passed_over():
    assert parse_json('\ufeff{"a": 1}'.encode()) == {"a": 1}


def test_lines_of_a_part_of_a_file_are_counted_from_its_first():
    with pytest.raises(NotJson, match="line 8, column 1: expected a value"):
        parse_json("\n}", first_line=7)
