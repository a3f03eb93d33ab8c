"""Numbers in sentences."""

_PLURAL_VERBS = {"": "", "is": "are", "has": "have"}


def counted(number: int, noun: str, verb: str = "") -> str:
    """Returns a number and what is counted, with a verb in the form that fits.

    Args:
        number: the number.
        noun: a word whose plural ends in -s or, after -s, in -es.
        verb: 'is' or 'has', if the sentence goes on with it.

    Example:
        >>> counted(1, "file"), counted(2_000, "class"), counted(1, "picture", "is"), counted(0, "class", "has")
        ('1 file', '2,000 classes', '1 picture is', '0 classes have')
    """
    if number == 1:
        return f"1 {noun} {verb}".rstrip()
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {plural} {_PLURAL_VERBS[verb]}".rstrip()
