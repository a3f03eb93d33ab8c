"""The same request as a shell command."""

import os
import shlex
from collections.abc import Sequence

from fixhead_serving.client.pictures import read_file, upright
from keras_fixhead.errors import ArgumentError


def curl_line(
    url: str,
    pictures: Sequence[str | os.PathLike[str]],
    *,
    timeout: float | None = None,
    token: bool = False,
    ca_cert: str | os.PathLike[str] | None = None,
) -> str:
    """Returns a shell command that sends pictures to a served model with curl.

    The command reads the files with `base64` when it runs, so they may be of any size; it needs only a POSIX shell,
    `base64`, `tr` and `curl`.

    Args:
        url: the model's address.
        pictures: picture files.
        timeout: the longest time that it may take, in seconds.
        token: whether to send the token in $FIXHEAD_TOKEN; its value does not appear in the command.
        ca_cert: PEM file of the authorities that the server's certificate must be signed by.

    Raises:
        ArgumentError: if there are no pictures, or one is stored rotated or in a format
            that servers do not decode, which a shell cannot undo.
        DataError: if a file cannot be read.

    Example:
        >>> curl_line("http://127.0.0.1:8501/v1/models/m", [])
        Traceback (most recent call last):
            ...
        keras_fixhead.errors.ArgumentError: There are no pictures to send.
    """
    if not pictures:
        raise ArgumentError("There are no pictures to send.")
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
    # some base64 programs wrap their lines
    return f"{body} | tr -d '\\n' | curl {' '.join(options)} --data-binary @- {shlex.quote(url + ':predict')}"


def _check_upright(path: str | os.PathLike[str]) -> None:
    from keras_fixhead.data.orientation import orientation

    content = read_file(path)
    if upright(content, os.fspath(path)) == content:
        return
    if orientation(content) != 1:
        raise ArgumentError(f"{os.fspath(path)} is stored rotated, which curl cannot undo.",
                            hint="Save it upright first, or predict without --curl.")  # fmt: skip
    raise ArgumentError(f"{os.fspath(path)} has a format that servers do not decode.",
                        hint="Save it as PNG first, or predict without --curl.")  # fmt: skip
