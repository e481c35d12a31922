"""Whether a PDF may run a script in its viewer, found while its bytes pass by.

A script is run for an action with `/S /JavaScript` (ISO 32000-1, 12.6.4.16), by PDFium for some with nothing but `/JS`,
or by a form in XFA (12.7.8). So these names are looked for, in the objects of the file and in what its object streams
(7.5.7) hold. What cannot be looked into counts as a script: a document that is encrypted, and an object stream that is
packed otherwise than by zlib alone, or is described by more than a flat dictionary.

A viewer may begin to read at any `obj`, and where a dictionary is not well formed, each goes on in its own way: what
one takes for the end, another reads over. So wherever an object may begin, it is read to its end; if it is not well
formed, then from there on a name counts wherever it stands, and so does any object stream. Nothing is built from what
is read.
"""

import re
import zlib

SLICE = 64 * 1024
"""Bytes that are looked through at once: a search holds the interpreter as long as it lasts."""
MORSEL = 4 * 1024
"""Bytes that are unpacked at once: those behind the end of a stream are copied."""
LONGEST = 2 * SLICE
"""Bytes of an object, but for the data of a stream, at most; a longer one counts as one that is not well formed."""
NAME = 64
"""Bytes of the longest way to write a name that is looked for, and more."""
NAMED = 8
STEP = 128
STREAM = 4 * 1024
"""What a name costs that is unpacked, a step into a list or a dictionary or out of it, and an object stream: the bytes
that are unpacked in the same time."""

_BLANK = r"\0\t\n\f\r "
_ODD = r"\x80\xff"  # blank to PDFium, and to nobody else
_REGULAR = rf"[^{_BLANK}{_ODD}()<>\[\]{{}}/%]"
_GAP = rf"(?:[{_BLANK}]++|%[^\r\n]*+[\r\n])*+"

_STRING = r"[^()\\]++|\\."
for _ in range(4):  # how deep parentheses nest
    _STRING = rf"[^()\\]++|\\.|\((?:{_STRING})*+\)"
_KEY = rf"/{_REGULAR}++"
_ATOM = (
    rf"(?:{_KEY}|\((?:{_STRING})*+\)|<[\da-fA-F{_BLANK}]*+>|\d++[{_BLANK}]++\d++[{_BLANK}]++R(?!{_REGULAR})"
    rf"|(?:[-+]?(?:\d++\.?\d*+|\.\d++)|true|false|null)(?!{_REGULAR}))"
)
_VALUE = _ATOM
for _ in range(3):  # deeper ones are read in steps
    _LIST = rf"\[{_GAP}(?:{_VALUE}{_GAP})*+\]"
    _VALUE = rf"(?:{_ATOM}|{_LIST}|<<{_GAP}(?:{_KEY}{_GAP}{_VALUE}{_GAP})*+>>)"


def _compiled(pattern: str) -> re.Pattern[bytes]:
    return re.compile(pattern.encode(), re.DOTALL)


def _named(*names: str) -> re.Pattern[bytes]:
    """One of the names, of which any character may be written as `#` and two digits (7.3.5)."""
    begin = "".join({name[0] for name in names})
    spelled = ("".join(f"(?:{letter}|#{ord(letter):02x}|#{ord(letter):02X})" for letter in name) for name in names)
    return _compiled(rf"/(?=[{begin}#])(?:{'|'.join(spelled)})(?=[{_BLANK}{_ODD}()<>\[\]{{}}/%])")


_ANYWHERE = _named("JavaScript", "Encrypt")  # so long that no picture has them by chance
_SCRIPT = _named("JavaScript", "JS", "XFA")
_FIRST = _named("First")  # an object stream has it, whatever its type is to its viewer
_IN_DOUBT = _named("JS", "XFA", "First")

_BEGIN = _compiled(rf"obj(?<=[{_BLANK}{_ODD}\d.+-]obj)(?=[{_BLANK}{_ODD}]*+(?:<<|\[|%|<?\Z))")
_OPENING = _compiled(rf"obj{_GAP}(<<|\[)")
_STEPS = {
    b"<<": _compiled(rf"{_GAP}(?:{_KEY}{_GAP}{_VALUE}{_GAP})*+(?:{_KEY}{_GAP}(<<|\[)|>>)"),
    b"[": _compiled(rf"{_GAP}(?:{_VALUE}{_GAP})*+(?:(<<|\[)|\])"),
}
_END = _compiled(rf"{_GAP}endobj")
_STREAM = _compiled(rf"obj[{_BLANK}]*+<<([^<>()%#]*+)>>[{_BLANK}]*+stream\r?\n")
_ENTRY = _compiled(rf"({_KEY})[{_BLANK}]*+({_VALUE})")
_PACKED = _compiled(rf"/FlateDecode|\[[{_BLANK}]*+/FlateDecode[{_BLANK}]*+\]")
_UNUSUAL = {b"/DecodeParms", b"/DP", b"/FFilter", b"/FDecodeParms", b"/F"}


class ScriptSearch:
    """Looks through the bytes of one PDF, in order.

    Args:
        most: bytes that all its object streams may unpack to, or what takes as long; more count as a script.
    """

    def __init__(self, most: int) -> None:
        self._left = most
        self._found = False
        self._in_doubt = False
        self._tail = b""  # of all bytes
        self._kept = b""  # in which an object begins, or may begin
        self._inflater: zlib._Decompress | None = None
        self._unpacked_tail = b""

    def update(self, data: memoryview) -> None:
        """Look through the next bytes."""
        for start in range(0, len(data), SLICE):
            if self._found:
                return
            piece = bytes(data[start : start + SLICE])
            self._tail = self._without(_ANYWHERE, self._tail + piece)
            if self._in_doubt:
                self._kept = self._without(_IN_DOUBT, self._kept + piece)
            else:
                self._read(self._kept + piece, len(self._kept))

    @property
    def may_run(self) -> bool:
        """Whether a script was found, or what may hold one; of all bytes, once they were looked through."""
        return self._found or self._inflater is not None or _IN_DOUBT.search(self._kept) is not None

    def _without(self, name: re.Pattern[bytes], window: bytes) -> bytes:
        """See that the name is not there; gives the end, in which one may begin."""
        self._found = self._found or name.search(window) is not None
        return window[-NAME:]

    def _spend(self, cost: int) -> None:
        self._left -= cost
        self._found = self._found or self._left < 0

    def _read(self, window: bytes, new: int) -> None:
        """Read the objects that begin in the window, of which the bytes from `new` on were not there before."""
        at = 0
        while not self._found:
            if self._inflater is not None:
                end = self._unpack(self._inflater, window, max(at, new))
                # To a viewer that begins in the midst of the packed bytes, they could be an object as well.
                self._found = self._found or _BEGIN.search(window, at, end) is not None
                if not self._inflater.eof:
                    break
                self._inflater, at = None, max(at, end - len(b"obj"))
            begin = _BEGIN.search(window, at)
            if begin is None:
                break
            end = self._read_object(window, begin.start())
            if not end:
                self._kept = window[begin.start() - 1 :]
                if len(self._kept) > LONGEST:
                    self._in_doubt, self._kept = True, self._without(_IN_DOUBT, self._kept)
                return
            at = end
        self._kept = window[max(at, len(window) - NAME) :]

    def _read_object(self, window: bytes, begin: int) -> int:
        """Read a list or a dictionary; gives where the search goes on, or 0: it has no end, or none yet."""
        nested: list[bytes] = []
        step = _OPENING.match(window, begin)
        while step is not None:
            end = step.end()
            if step[1]:
                nested.append(step[1])
            else:
                nested.pop()
            self._spend(STEP)
            if not nested or self._found:
                break
            step = _STEPS[nested[-1]].match(window, end)
        self._spend(len(window) - begin if step is None else end - begin)
        if step is None or _BEGIN.search(window, begin + len(b"obj"), end):
            return 0
        self._found = self._found or _SCRIPT.search(window, begin, end) is not None
        if _FIRST.search(window, begin, end) is None or _END.match(window, end):
            return end
        stream = _STREAM.match(window, begin)
        return self._read_stream(window, stream.end(), stream[1]) if stream else 0

    def _read_stream(self, window: bytes, begin: int, dictionary: bytes) -> int:
        """Begin with the data of an object stream; gives where the search goes on, or 0 as above."""
        entries = _ENTRY.findall(dictionary)
        if not _UNUSUAL.isdisjoint(key for key, _ in entries):
            return 0
        self._spend(STREAM)
        if filters := [value for key, value in entries if key == b"/Filter"]:
            if len(filters) > 1 or not _PACKED.fullmatch(filters[0]):
                return 0
            self._inflater, self._unpacked_tail = zlib.decompressobj(), b""
            return begin
        lengths = [value for key, value in entries if key == b"/Length"]
        end = window.find(b"endstream", begin)
        # Else its data has another end to some viewers.
        if len(lengths) != 1 or not lengths[0].isdigit() or not 0 <= end - begin - int(lengths[0]) <= len(b"\r\n"):
            return 0
        self._found = self._found or _SCRIPT.search(window, begin, end) is not None
        return 0 if _BEGIN.search(window, begin, end) else end

    def _unpack(self, inflater: "zlib._Decompress", window: bytes, at: int) -> int:
        """Look through what an object stream holds; gives where its packed bytes end, or those that are there."""
        packed = memoryview(window)
        while at < len(window) and not self._found and not inflater.eof:
            rest: bytes | memoryview = packed[at : at + MORSEL]
            at += len(rest)
            while rest and not self._found and not inflater.eof:
                try:
                    unpacked = inflater.decompress(rest, SLICE)
                except zlib.error:
                    self._found = True
                    break
                rest = inflater.unconsumed_tail
                self._spend(len(unpacked) + NAMED * unpacked.count(b"/"))
                self._unpacked_tail = self._without(_SCRIPT, self._unpacked_tail + unpacked)
        return at - len(inflater.unused_data)
