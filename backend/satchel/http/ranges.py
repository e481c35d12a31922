"""One byte range of a representation, as asked for by the `Range` header (RFC 9110, section 14)."""

import re
from enum import Enum
from typing import NamedTuple

# A set of one range. Empty list elements are allowed for (RFC 9110, 5.6.1), a second range is not.
_ONE_RANGE = re.compile(r"bytes=[ \t,]*([0-9]*)-([0-9]*)[ \t,]*", re.IGNORECASE)
_ENOUGH_DIGITS = 20  # any number with so many is beyond every size, and int() is quadratic in their count


class Part(NamedTuple):
    """The bytes from `start` up to, not including, `stop`: 0 <= start < stop <= size."""

    start: int
    stop: int


class Outcome(Enum):
    """What else a `Range` header can come to."""

    WHOLE = "answer 200 with everything"
    UNSATISFIABLE = "answer 416"


def parse_range(header: str, size: int) -> Part | Outcome:
    """What a `Range` header asks of a representation of `size` bytes, in time linear to its length.

    Another unit, more than one range, and bad syntax come to WHOLE: a server may ignore any `Range` (RFC 9110, 14.2),
    and answering many ranges is how small requests cause large work. So does a suffix of nothing, which is the whole
    of an empty file and has no `Content-Range` of its own.
    """
    match = _ONE_RANGE.fullmatch(header.strip(" \t"))
    if not match or match.groups() == ("", ""):
        return Outcome.WHOLE
    first, last = (_number(digits) if digits else None for digits in match.groups())
    if first is None:
        return _suffix(last or 0, size)
    if last is not None and last < first:
        return Outcome.WHOLE
    if first >= size:
        return Outcome.UNSATISFIABLE
    return Part(first, size if last is None else min(last + 1, size))


def _suffix(length: int, size: int) -> Part | Outcome:
    if length == 0:
        return Outcome.UNSATISFIABLE
    return Part(max(size - length, 0), size) if size else Outcome.WHOLE


def _number(digits: str) -> int:
    return int(digits.lstrip("0")[:_ENOUGH_DIGITS] or "0")
