"""The line for a shell; that it works when pasted is tested with the command, `tests/cli/test_predict.py`."""

import io

import pytest
from PIL import Image

from fixhead_serving.client import curl_line
from keras_fixhead.errors import ArgumentError, DataError

URL = "http://127.0.0.1:8501/v1/models/m"


def picture(path, **options):
    Image.new("RGB", (2, 3)).save(path, **options)
    return path


def test_the_line_is_one_line_that_reads_the_files_when_it_runs(tmp_path):
    line = curl_line(URL, [picture(tmp_path / "a.png"), picture(tmp_path / "b.png")])

    assert "\n" not in line
    assert line.endswith(f"--data-binary @- {URL}:predict")
    assert f"base64 < {tmp_path / 'a.png'}; " in line and f"base64 < {tmp_path / 'b.png'}; " in line


def test_options_become_those_of_curl_and_the_token_stays_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("FIXHEAD_TOKEN", "secret")
    line = curl_line(URL, [picture(tmp_path / "a.png")], timeout=2.5, token=True, ca_cert="my ca.pem")

    assert "--max-time 2.5" in line and "--cacert 'my ca.pem'" in line
    assert '-H "Authorization: Bearer $FIXHEAD_TOKEN"' in line and "secret" not in line


def test_a_picture_that_is_stored_turned_is_refused(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    file = picture(tmp_path / "a.jpg", exif=exif)

    with pytest.raises(ArgumentError, match=r"a\.jpg is stored rotated, which curl cannot undo\. Save it upright"):
        curl_line(URL, [file])


@pytest.mark.parametrize("content, match", [(None, "cannot be read"), (b"x", "is not a readable picture")])
def test_files_that_are_no_pictures_are_one_line(content, match, tmp_path):
    if content is not None:
        (tmp_path / "a.png").write_bytes(content)

    with pytest.raises(DataError, match=match):
        curl_line(URL, [tmp_path / "a.png"])


def test_a_turned_picture_made_upright_is_taken(tmp_path):
    file = io.BytesIO()
    Image.new("RGB", (2, 3)).save(file, "JPEG")
    (tmp_path / "a.jpg").write_bytes(file.getvalue())

    assert curl_line(URL, [tmp_path / "a.jpg"]).startswith("{ printf ")
