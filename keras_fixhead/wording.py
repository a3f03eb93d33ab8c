"""Numbers in sentences."""

_PLURAL_VERBS = {"": "", "is": "are", "has": "have"}


def count_text(number: float, noun: str, verb: str = "") -> str:
    """Returns a number and what is count_text, with a verb in the form that fits.

    Args:
        number: a whole number, or one like 9.9 epochs.
        noun: a word whose plural ends in -s or, after -s, in -es.
        verb: 'is' or 'has', if the sentence goes on with it.

    Example:
        >>> count_text(1, "file"), count_text(2_000, "class"), count_text(9.9, "epoch")
        ('1 file', '2,000 classes', '9.9 epochs')
        >>> count_text(1, "picture", "is"), count_text(0, "class", "has")
        ('1 picture is', '0 classes have')
    """
    if number == 1:
        return f"1 {noun} {verb}".rstrip()
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {plural} {_PLURAL_VERBS[verb]}".rstrip()
