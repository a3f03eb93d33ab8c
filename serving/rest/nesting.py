"""How deeply a JSON text is nested, determined before it is parsed."""
import re

import numpy as np

_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
# A string, up to its end or the end of the text; without backtracking, so that any text takes only one pass.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)


def nested_deeper(body: bytes, depth: int) -> bool:
    """Returns whether lists and objects of a JSON text are nested deeper than a number of levels.

    It looks at the brackets outside strings and removes their innermost pairs level by level. For a text that is not
    valid JSON the result is meaningless.

    Example:
        >>> nested_deeper(b'{"x": [[1, 2]]}', 3), nested_deeper(b'{"x": [[1, 2]]}', 2)
        (False, True)
    """
    brackets = _STRING.sub(b"", body).translate(_ONE_KIND, _NOT_BRACKETS)
    for _ in range(depth):
        fewer = brackets.replace(b"[]", b"")
        if not fewer:
            return False
        if len(fewer) == len(brackets):  # not JSON
            return _deepest(brackets) > depth
        brackets = fewer
    return True


def _deepest(brackets: bytes) -> int:
    codes = np.frombuffer(brackets, np.uint8)
    steps = np.where(codes == ord("["), np.int8(1), np.int8(-1))
    return int(np.cumsum(steps, dtype=np.int32).max(initial=0))
