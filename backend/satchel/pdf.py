"""Whether a PDF may run a script in its viewer, found while its bytes pass by.

A script is run for an action whose dictionary holds the name `/JavaScript` (ISO 32000-1, 12.6.4.16), or by a form in
XFA (12.7.8). A dictionary stands in the file as it is, or in an object stream (7.5.7). So the names are looked for in
both.

What cannot be looked into counts as a script: an object stream that is encrypted, packed otherwise than by zlib alone,
or described by more than a flat dictionary. No document is decoded: nothing is built from what is read.
"""

import re
import zlib

SLICE = 64 * 1024
"""Bytes that are looked through at once: a search holds the interpreter as long as it lasts."""
LONGEST = 1024
"""Bytes from the `<<` of an object stream's dictionary to behind its `stream`, at most."""
NAME = 64
"""Bytes of the longest way to write a name that is looked for, and more."""


def _named(*names: bytes) -> re.Pattern[bytes]:
    """One of the names, of which any character may be written as `#` and two digits (7.3.5)."""
    spelled = (b"".join(b"(?:%c|#..)" % letter for letter in name) for name in names)
    return re.compile(b"/(?:%s)" % b"|".join(spelled), re.DOTALL)


_SCRIPT = _named(b"JavaScript", b"XFA")
_OBJECT_STREAM = _named(b"ObjStm")
_HEADER = re.compile(rb"<<([^<>()%#]*)>>\s*stream\r?\n")
_PACKED = re.compile(rb"/Filter\s*(?:/FlateDecode\b|\[\s*/FlateDecode\s*\])")
_UNUSUAL = re.compile(rb"/(?:DecodeParms|DP|FFilter|FDecodeParms|F)\b")


class ScriptSearch:
    """Looks through the bytes of one PDF, in order.

    Args:
        most: bytes that all its object streams may unpack to; more count as a script.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._found = False
        self._tail = b""  # of all bytes
        self._ahead = b""  # where an object stream may begin
        self._inflater: zlib._Decompress | None = None
        self._packed_tail = b""
        self._unpacked_tail = b""
        self._unpacked = 0

    def update(self, data: memoryview) -> None:
        """Look through the next bytes."""
        for start in range(0, len(data), SLICE):
            if self._found:
                return
            piece = bytes(data[start : start + SLICE])
            self._tail = self._without(_SCRIPT, self._tail, piece)
            while piece and not self._found:
                piece = self._unpack(piece, self._inflater) if self._inflater else self._find_stream(piece)

    @property
    def may_run(self) -> bool:
        """Whether a script was found, or what may hold one; of all bytes, once they were looked through."""
        return self._found or self._inflater is not None or _OBJECT_STREAM.search(self._ahead) is not None

    def _without(self, name: re.Pattern[bytes], before: bytes, piece: bytes) -> bytes:
        """See that the name is not there; gives the end, in which one may begin."""
        window = before + piece
        self._found = self._found or name.search(window) is not None
        return window[-NAME:]

    def _find_stream(self, piece: bytes) -> bytes:
        """Look for the next object stream; gives what lies behind its beginning."""
        window = self._ahead + piece
        name = _OBJECT_STREAM.search(window)
        if name is None:
            self._ahead = window[-LONGEST:]
            return b""
        begin = window.rfind(b"<<", 0, name.start())
        header = _HEADER.match(window, begin) if begin >= 0 else None
        if header is None and len(window) < name.start() + LONGEST:
            self._ahead = window  # its end is still to come
            return b""
        self._ahead = b""
        if header is None or header.end() < name.end() or _UNUSUAL.search(header[1]):
            self._found = True
            return b""
        if filters := header[1].count(b"/Filter"):
            self._found = filters > 1 or _PACKED.search(header[1]) is None
            self._inflater, self._packed_tail, self._unpacked_tail = zlib.decompressobj(), b"", b""
        return window[header.end() :]

    def _unpack(self, piece: bytes, inflater: "zlib._Decompress") -> bytes:
        """Look through what an object stream holds; gives what lies behind its end."""
        rest = piece
        while rest and not self._found and not inflater.eof:
            try:
                unpacked = inflater.decompress(rest, SLICE)
            except zlib.error:
                self._found = True
                return b""
            rest = inflater.unconsumed_tail
            self._unpacked += len(unpacked)
            self._unpacked_tail = self._without(_SCRIPT, self._unpacked_tail, unpacked)
            self._found = self._found or self._unpacked > self._most
        behind = inflater.unused_data
        # Else bytes could be packed so that they are an object stream as well, to a viewer that begins in their midst.
        self._packed_tail = self._without(_OBJECT_STREAM, self._packed_tail, piece[: len(piece) - len(behind)])
        if inflater.eof:
            self._inflater, self._ahead = None, self._packed_tail
        return behind
