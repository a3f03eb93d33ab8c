"""The same request as a line for a shell."""

import os
import shlex
from collections.abc import Sequence

from fixhead_serving.client.pictures import is_turned, open_picture, read_file
from keras_fixhead.errors import ArgumentError


def curl_line(
    url: str,
    pictures: Sequence[str | os.PathLike[str]],
    *,
    timeout: float | None = None,
    token: bool = False,
    ca_cert: str | os.PathLike[str] | None = None,
) -> str:
    """Returns a shell command that asks a served model for pictures with curl.

    Files are read when it runs, by `base64`, so it has any length that the files have; it needs nothing but a POSIX
    shell, `base64`, `tr` and `curl`.

    Args:
        url: the model's address.
        pictures: picture files.
        timeout: the longest that it may take, in seconds.
        token: whether to send the token in $FIXHEAD_TOKEN; its value does not show in the line.
        ca_cert: file of certificates that the server's must be signed by.

    Raises:
        ArgumentError: if there is no picture, or one is stored rotated, which a shell cannot undo.
        DataError: if a file cannot be read.

    Example:
        >>> curl_line("http://127.0.0.1:8501/v1/models/m", [])
        Traceback (most recent call last):
            ...
        keras_fixhead.errors.ArgumentError: There are no pictures to ask for.
    """
    if not pictures:
        raise ArgumentError("There are no pictures to ask for.")
    for picture in pictures:
        _check_upright(picture)
    encoded = """; printf '"},{"b64":"'; """.join(f"base64 < {shlex.quote(os.fspath(each))}" for each in pictures)
    body = f"""{{ printf '{{"signature_name":"serving_bytes","inputs":[{{"b64":"'; {encoded}; printf '"}}]}}'; }}"""
    options = ["-sS", "--fail-with-body", "-H 'Content-Type: application/json'"]
    if timeout is not None:
        options.append(f"--max-time {timeout:g}")
    if token:
        options.append('-H "Authorization: Bearer $FIXHEAD_TOKEN"')
    if ca_cert is not None:
        options.append(f"--cacert {shlex.quote(os.fspath(ca_cert))}")
    # some base64 programs break their lines
    return f"{body} | tr -d '\\n' | curl {' '.join(options)} --data-binary @- {shlex.quote(url + ':predict')}"


def _check_upright(path: str | os.PathLike[str]) -> None:
    with open_picture(read_file(path), os.fspath(path)) as picture:
        if is_turned(picture):
            raise ArgumentError(f"{os.fspath(path)} is stored rotated, which curl cannot undo.",
                                hint="Save it upright first, or ask without --curl.")  # fmt: skip
