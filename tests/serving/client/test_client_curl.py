"""The curl command for a shell; tests/cli/test_predict.py checks that it works when pasted."""

import io

import pytest
from PIL import Image

from fixhead_serving.client import curl_line
from keras_fixhead.errors import ArgumentError, DataError

URL = "http://127.0.0.1:8501/v1/models/m"


def picture(path, **options):
    Image.new("RGB", (2, 3)).save(path, **options)
    return path


def test_the_command_is_one_line_that_reads_the_files_when_it_runs(tmp_path):
    line = curl_line(URL, [picture(tmp_path / "a.png"), picture(tmp_path / "b.png")])

    assert "\n" not in line
    assert line.endswith(f"--data-binary @- {URL}:predict")
    assert f"base64 < {tmp_path / 'a.png'}; " in line and f"base64 < {tmp_path / 'b.png'}; " in line


def test_options_become_curl_options_and_the_token_stays_in_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("FIXHEAD_TOKEN", "secret")
    line = curl_line(URL, [picture(tmp_path / "a.png")], timeout=2.5, token=True, ca_cert="my ca.pem")

    assert "--max-time 2.5" in line and "--cacert 'my ca.pem'" in line
    assert '-H "Authorization: Bearer $FIXHEAD_TOKEN"' in line and "secret" not in line


def test_a_picture_stored_rotated_is_refused(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    file = picture(tmp_path / "a.jpg", exif=exif)

    with pytest.raises(ArgumentError, match=r"a\.jpg is stored rotated, which curl cannot undo\. Save it upright"):
        curl_line(URL, [file])


@pytest.mark.parametrize("content, match", [(None, "cannot be read"), (b"x", "is not a readable picture")])
def test_files_that_are_not_pictures_are_a_one_line_error(content, match, tmp_path):
    if content is not None:
        (tmp_path / "a.png").write_bytes(content)

    with pytest.raises(DataError, match=match):
        curl_line(URL, [tmp_path / "a.png"])


def test_a_rotated_picture_is_accepted_after_saving_it_upright(tmp_path):
    file = io.BytesIO()
    Image.new("RGB", (2, 3)).save(file, "JPEG")
    (tmp_path / "a.jpg").write_bytes(file.getvalue())

    assert curl_line(URL, [tmp_path / "a.jpg"]).startswith("{ printf ")
