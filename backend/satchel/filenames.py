"""What a file is called: a name that anybody may have sent, made safe to show, to send in a header and to save.

Pure functions, no I/O.
"""

import re
import unicodedata

from satchel.errors import Code, SatchelError

MAX_FILENAME_BYTES = 255
"""The longest name, in bytes of UTF-8: what ext4, APFS and NTFS can hold, so that every download can be saved."""

# What a name never holds: it ends a header, opens a path, or shows something other than what is there.
_FORBIDDEN = re.compile(
    "["
    '\x00-\x1f\x7f-\x9f"\ud800-\udfff'  # controls, the quote, halves of surrogate pairs
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls: "gpj.exe" can read as "exe.jpg"
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2028\u2029\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e00ff"  # characters without a shape
    "]"
)
# ZWNJ and ZWJ are spelling in Persian and the Indic scripts and glue in emoji; between other characters they only hide.
_SCRIPT = "[\u0300-\u1fff\u2190-\U0010ffff]"
_STRAY_JOINER = re.compile(f"(?<!{_SCRIPT})[\u200c\u200d]|[\u200c\u200d](?!{_SCRIPT})")
_JOINERS = "\u200c\u200d"
SPACES = "".join(char for char in map(chr, range(0x3001)) if char.isspace())
"""Every white space of Unicode."""
_SUFFIX = re.compile(r"(?:\.tar)?\.[^.]{1,16}\Z")


def clean_filename(raw: str) -> str:
    """The name under which a file is kept: the last component of `raw` without anything that deceives or breaks.

    Any script and ordinary punctuation stay; the result is in NFC, has at most `MAX_FILENAME_BYTES` bytes of UTF-8
    (the stem is cut, the extension stays), and is a fixed point. It is a label only, never part of a path or key.

    Raises SatchelError INVALID_FILENAME where nothing is left.
    """
    name = _FORBIDDEN.sub("", re.split(r"[/\\]", raw)[-1])
    if len(name) > 4 * MAX_FILENAME_BYTES + 64:
        # NFC sorts runs of combining marks in quadratic time. It joins at most four characters into one, so that
        # this many from the front and the extension are all that can be left in the end.
        name = name[: 4 * MAX_FILENAME_BYTES] + name[-64:]
    name = _STRAY_JOINER.sub("", unicodedata.normalize("NFC", name))
    name = _shorten(_trim(name))
    if not name:
        raise SatchelError(Code.INVALID_FILENAME, "Nothing is left of the file name once it is cleaned.")
    return name


def _trim(name: str) -> str:
    """Without spaces around it and dots behind it, which Windows drops and which make `.` and `..`."""
    return name.lstrip(SPACES).rstrip(SPACES + _JOINERS + ".")


def _shorten(name: str) -> str:
    if len(name.encode()) <= MAX_FILENAME_BYTES:
        return name
    suffix = _SUFFIX.search(name, len(name) - 24)
    extension = suffix.group() if suffix else ""
    room = MAX_FILENAME_BYTES - len(extension.encode())
    stem = name.encode()[:room].decode(errors="ignore")
    end = len(stem)
    while end and _continues(name, end):
        end -= 1
    return _trim((stem[:end] or stem).rstrip(_JOINERS) + extension)


def _continues(text: str, index: int) -> bool:
    """Whether a cut before `text[index]` would part what is read as one character (the common cases of UAX 29)."""
    char = text[index]
    return (
        unicodedata.category(char).startswith("M")
        or char in _JOINERS
        or text[index - 1] in _JOINERS
        or "\U0001f3fb" <= char <= "\U0001f3ff"  # skin tones
    )


def extension(filename: str) -> str:
    """The part behind the last dot in lower case, or a name without a dot as a whole (`Makefile`)."""
    return filename.rpartition(".")[2].lower()
