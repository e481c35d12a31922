"""How filenames are searched and sorted. Pure functions; their results are stored beside the name.

A change to either needs a migration that computes the stored keys anew.
"""

import re
import unicodedata

MAX_KEY = 256
"""Characters in a sort key: at most 1 KiB of UTF-8. PostgreSQL's index entries have 2704 bytes, for both keys."""

_DIGITS = re.compile(r"\d+")
_CONTROLS = re.compile(r"[\x00-\x1f]")


def fold(name: str) -> str:
    """What remains of a name without regard to case and compatibility forms. Folding again changes nothing.

    The capital I belongs to `i` in most languages and to the dotless i in Turkish, where the capital of `i` has a dot:
    without regard to case, all four are one letter.
    """
    while True:
        folded = unicodedata.normalize("NFKC", name.casefold()).replace("i\u0307", "i").replace("\u0131", "i")
        if folded == name:
            return folded
        name = folded


def natural_key(name: str) -> str:
    """A key that puts names into natural order when compared by code point.

    That is the order of Python's `str`, of SQLite's BINARY and of PostgreSQL's COLLATE "C" alike. Case does not count,
    digit runs compare as numbers of any length and in any script (`img2` before `img10`), and an accent counts only
    where the names are the same otherwise (`ecole`, `École`, `ecole 2`). Keys hold no NUL and at most MAX_KEY
    characters; beyond that names tie.
    """
    folded = unicodedata.normalize("NFD", _CONTROLS.sub(" ", fold(name)))
    letters = "".join(char for char in folded if not unicodedata.combining(char))
    # The separator is below every other character, so that a name comes before those that continue it.
    return f"{_DIGITS.sub(_number, letters)}\x01{folded}"[:MAX_KEY]


def _number(run: re.Match[str]) -> str:
    """The digits of a number behind their count, in a code that grows with the count and is prefix-free.

    The count is written in base one and nine: a `9` for each full nine, then the rest as one digit.
    """
    digits = "".join(str(unicodedata.decimal(char)) for char in run.group()).lstrip("0")
    nines, rest = divmod(len(digits), 9)
    return f"{'9' * nines}{rest}{digits}"
