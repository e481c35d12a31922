"""The one way in for bytes: a streaming reader of multipart/form-data (RFC 7578).

Built on the push parser of python-multipart, turned into something to pull from: parts in order, each with its
bytes as views of the chunks that the server received. Nothing is buffered but part headers; the result does not depend
on how the body was cut into chunks. What a browser or curl never sends is refused with BAD_MULTIPART, which says what.
"""

import re
from collections import deque
from collections.abc import AsyncIterator

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from satchel.config import Settings
from satchel.errors import Code, SatchelError, too_large, too_many_files
from satchel.http.body import ClientGone

MARGIN = 1024  # bytes read before the first boundary and after the last one; there is no reason for any
MAX_BOUNDARY = 70  # https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1
MAX_PART_HEADERS = 8
MAX_PART_HEADER = 8 * 1024  # bytes, of one header as of all of a part
MAX_NAME = 255
FIELDS = 2  # beside the files: `operations` and `map`

_ESCAPES = {"%22": '"', "%0A": "\n", "%0D": "\r"}
_ESCAPE = re.compile("|".join(_ESCAPES), re.IGNORECASE)
_QUOTED = re.compile(rb'"(?:\\.|[^"\\])*+("?)')
_PARAMETER = re.compile(rb";([^;=]*)=")


def refuse_by_length(declared: str | None, files: int, settings: Settings) -> None:
    """Refuse a body that by its Content-Length holds a file over the limit, before any of it is read.

    Bytes are counted all the same: a length may be missing, and what stands around the files has no fixed size.

    Raises:
        SatchelError: FILE_TOO_LARGE where more is declared than the largest form with so many `files` can have.
    """
    fields = (settings.max_operations_size, settings.max_map_size)
    around = 2 * MARGIN + (files + len(fields)) * MAX_PART_HEADERS * (MAX_PART_HEADER + MAX_BOUNDARY)
    if declared is not None and int(declared) > files * settings.max_file_size + sum(fields) + around:
        raise too_large(int(settings.max_file_size))


class _PartEnd:
    """Marks the end of a part among its data."""


class _BodyEnd:
    """Marks the closing boundary."""


_Event = memoryview | dict[str, bytes] | type[_PartEnd] | type[_BodyEnd] | SatchelError


def bad_multipart(detail: str) -> SatchelError:
    """BAD_MULTIPART with one sentence on what is wrong."""
    return SatchelError(Code.BAD_MULTIPART, detail)


class Part:
    """One part: `name`, `filename` where the client gave one, its declared type, and its bytes, to be read once."""

    def __init__(self, reader: "MultipartReader", headers: dict[str, bytes]) -> None:
        disposition = headers.get("content-disposition", b"")
        kind, options = parse_options_header(disposition)
        if kind != b"form-data" or b"name" not in options:
            raise bad_multipart("A part has no Content-Disposition of form-data with a name.")
        _refuse_twice(disposition)
        filename = options.get(b"filename")
        declared = headers.get("content-type")
        self.name = _unescaped(_text(options[b"name"], "name of a part"))
        self.filename = None if filename is None else _unescaped(_text(filename, "filename of a part"))
        self.content_type = None if declared is None else declared.decode("latin-1").strip()
        self._reader = reader
        if len(self.name) > MAX_NAME:
            raise bad_multipart(f"The name of a part is longer than {MAX_NAME} characters.")

    def __aiter__(self) -> AsyncIterator[memoryview]:
        return self._reader.data()

    async def text(self, limit: int, setting: str) -> str:
        """A form field's value. Raises PAYLOAD_TOO_LARGE, naming the setting that raises the limit."""
        value = bytearray()
        async for data in self:
            value += data
            if len(value) > limit:
                raise SatchelError(
                    Code.PAYLOAD_TOO_LARGE, f"The part {self.name!r} may have {limit:,} bytes at most ({setting})."
                )
        return _text(value, f"part {self.name!r}")


class MultipartReader:
    """The parts of a body, in order; each is read before the next is asked for, and what is left of it skipped.

    Args:
        content_type: the request's Content-Type.
        body: its bytes, see `body.stream`.
        files: how many parts there may be, beside two fields.

    Raises:
        SatchelError: UNSUPPORTED_MEDIA_TYPE at once; BAD_MULTIPART then or while reading; PAYLOAD_TOO_LARGE for parts
            that are too many.
    """

    def __init__(self, content_type: str, body: AsyncIterator[bytes], files: int) -> None:
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data":
            raise SatchelError(Code.UNSUPPORTED_MEDIA_TYPE, "The body must be multipart/form-data.")
        boundary = options.get(b"boundary", b"")
        if not 0 < len(boundary) <= MAX_BOUNDARY:
            raise bad_multipart(f"The Content-Type must name a boundary of 1 to {MAX_BOUNDARY} characters.")
        self._body = body
        self._delimiter = b"--" + boundary
        self._preamble: bytes | None = b""
        self._events: deque[_Event] = deque()
        self._headers: dict[str, bytes] = {}
        self._field = b""
        self._value = b""
        self._names: set[str] = set()
        self._files = files
        self._begun = 0
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
            max_header_count=MAX_PART_HEADERS,
            max_header_size=MAX_PART_HEADER,
        )

    async def __aiter__(self) -> AsyncIterator[Part]:
        while True:
            event = await self._next()
            if event is _BodyEnd:
                await self._finish()
                return
            if isinstance(event, dict):
                part = Part(self, event)
                if part.name in self._names:
                    raise bad_multipart(f"There is more than one part named {part.name!r}.")
                self._names.add(part.name)
                yield part

    async def data(self) -> AsyncIterator[memoryview]:
        """The bytes of the present part."""
        while isinstance(event := await self._next(), memoryview):
            yield event

    async def _next(self) -> _Event:
        while not self._events:
            try:
                chunk = await anext(self._body)
            except (StopAsyncIteration, ClientGone):
                what = "before its first boundary" if self._preamble is not None else "before its closing boundary"
                raise bad_multipart(f"The body ends {what}.") from None
            self._feed(chunk)
        event = self._events.popleft()
        if isinstance(event, SatchelError):
            raise event
        return event

    async def _finish(self) -> None:
        """Read the line end that follows the closing boundary; a long epilogue is left unread, and so cut off."""
        epilogue = 0
        try:
            async for chunk in self._body:
                epilogue += len(chunk)
                if epilogue > MARGIN:
                    return
        except ClientGone:
            raise bad_multipart("The body ends before its Content-Length.") from None

    def _feed(self, chunk: bytes) -> None:
        if self._preamble is not None:
            chunk = self._after_preamble(self._preamble + chunk)
        try:
            if chunk:
                self._parser.write(chunk)
        except MultipartParseError:
            self._events.append(bad_multipart("A boundary or a header of a part is malformed."))
        except SatchelError as error:
            self._events.append(error)  # behind what came before it, whose verdict comes first wherever the cuts are

    def _after_preamble(self, seen: bytes) -> bytes:
        """Skip what stands before the first boundary.

        Done here because the parser skips it only from line to line of one chunk, so it depends on the cuts.
        """
        start = 0 if seen.startswith(self._delimiter) else seen.find(b"\r\n" + self._delimiter) + 2
        if start < 2 and not seen.startswith(self._delimiter):
            if len(seen) > MARGIN + len(self._delimiter):
                raise bad_multipart("The body does not begin with the boundary that its Content-Type names.")
            self._preamble = seen
            return b""
        if start > MARGIN:
            raise bad_multipart("The body does not begin with the boundary that its Content-Type names.")
        self._preamble = None
        return seen[start:]

    def _on_part_begin(self) -> None:
        # Here, because one chunk can begin thousands, all of which are parsed before the first one is looked at.
        self._begun += 1
        if self._begun > self._files + FIELDS:
            raise too_many_files(self._files)
        self._headers = {}

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        name = self._field.decode("latin-1").lower()
        if name in self._headers:
            raise bad_multipart(f"A part has more than one {name} header.")
        self._headers[name] = self._value
        self._field = self._value = b""
        if sum(len(name) + len(value) for name, value in self._headers.items()) > MAX_PART_HEADER:
            raise bad_multipart(f"A part has more than {MAX_PART_HEADER:,} bytes of headers.")

    def _on_headers_finished(self) -> None:
        self._events.append(self._headers)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(memoryview(data)[start:end])

    def _on_part_end(self) -> None:
        self._events.append(_PartEnd)

    def _on_end(self) -> None:
        self._events.append(_BodyEnd)


def _refuse_twice(disposition: bytes) -> None:
    """One parameter of each name: of two, another reader of the same request could believe the other."""
    if not all(_QUOTED.findall(disposition)):
        raise bad_multipart("The Content-Disposition of a part has a quote that does not end.")
    names = [name.strip().lower() for name in _PARAMETER.findall(_QUOTED.sub(b"", disposition))]
    if len(names) > len(set(names)):
        raise bad_multipart("The Content-Disposition of a part has more than one parameter of a name.")


def _text(value: bytes | bytearray, what: str) -> str:
    """UTF-8, as all browsers and curl send it."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise bad_multipart(f"The {what} is not UTF-8.") from None


def _unescaped(name: str) -> str:
    """Undo the three escapes that browsers and curl write into names.

    https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data
    """
    return _ESCAPE.sub(lambda found: _ESCAPES[found[0].upper()], name)
