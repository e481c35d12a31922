"""The bytes of a file: `GET /files/{id}` shows them where that is safe, `GET /files/{id}/download` saves them.

Conditions and ranges follow RFC 9110, sections 13 and 14. A file's bytes never change under its id, so both its ETag
(the SHA-256) and its date are strong validators. Only an answer with bytes in it touches the store.
"""

import asyncio
import re
import unicodedata
from base64 import b64encode
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Request, Response
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from satchel.blobs import BlobReader, Slice
from satchel.errors import Code, SatchelError
from satchel.files import FileService
from satchel.http.contract import Responses, failures
from satchel.http.guards import problem
from satchel.http.ranges import Outcome, Part, parse_range
from satchel.media import inline_type
from satchel.metadata import FileRecord

# The bytes are a stranger's. Besides what holds for every answer (`guards`), the browser runs nothing in them and gives
# them an origin of their own; PDF and media viewers work all the same.
_SAFETY = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; media-src 'self'; sandbox"
    ),
}
# What a browser may want a file for (Fetch, 2.2.5): to show it, play it or save it, never to run it in a page.
_DESTINATIONS = {"", "audio", "document", "empty", "frame", "iframe", "image", "track", "video"}

log = structlog.get_logger(__name__)


def preview_url(record: FileRecord) -> str | None:
    """Where the file is shown in place, relative to the server's root; None where only a download is safe."""
    return f"/files/{record.id}" if inline_type(record.content_type) else None


def download_url(record: FileRecord) -> str:
    """Where the file is saved from, relative to the server's root."""
    return f"/files/{record.id}/download"


# --- routes -----------------------------------------------------------------------------------------------------------

router = APIRouter(tags=["files"])


def _described(whole: str, *, redirects: bool = False) -> Responses:
    binary = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    return {
        200: {"description": whole, "content": binary},
        206: {"description": "The part that `Range` asks for.", "content": binary},
        **({307: {"description": "The bytes are at the store (`SATCHEL_DOWNLOADS=redirect`)."}} if redirects else {}),
        304: {"description": "The client's copy is current (`If-None-Match`, `If-Modified-Since`)."},
        **failures(
            {
                403: "A page wants to run the file, or another site to frame it.",
                404: "There is no such file.",
                412: "The file is not the one meant (`If-Match`, `If-Unmodified-Since`).",
                416: "`Range` lies outside the file; `Content-Range` tells its size.",
                502: "The store does not hold the bytes.",
                503: "Database or store do not answer.",
            }
        ),
    }


@router.head("/files/{file_id}", include_in_schema=False)
@router.get(
    "/files/{file_id}",
    response_class=Response,
    responses=_described("The bytes: inline where a browser can show them safely, else as an attachment."),
)
async def preview_file(request: Request, file_id: str) -> Response:
    """Show a file, or a part of it."""
    files: FileService = request.app.state.files
    record = await files.get(file_id)
    return await _answer(request, files, record, inline_type(record.content_type))


@router.head("/files/{file_id}/download", include_in_schema=False)
@router.get(
    "/files/{file_id}/download",
    response_class=Response,
    responses=_described("The bytes, as an attachment under the file's name.", redirects=True),
)
async def download_file(request: Request, file_id: str) -> Response:
    """Download a file, or a part of it."""
    files: FileService = request.app.state.files
    return await _answer(request, files, await files.get(file_id), shown_as=None)


async def _answer(request: Request, files: FileService, record: FileRecord, shown_as: str | None) -> Response:
    if _misused(request.headers):
        detail = "A file is shown by itself or in this site's own pages, and never run."
        return problem(SatchelError(Code.FORBIDDEN_DESTINATION, detail), _SAFETY)
    etag, modified = f'"{record.sha256}"', record.upload_date.astimezone(UTC).replace(microsecond=0)
    headers = {
        **_SAFETY,
        "ETag": etag,
        "Last-Modified": format_datetime(modified, usegmt=True),
        "Cache-Control": "private, no-cache",
        "Accept-Ranges": "bytes",
    }
    if status := failed_condition(request.headers, etag, modified):
        detail = "The file is not the one that `If-Match` or `If-Unmodified-Since` means."
        failure = SatchelError(Code.PRECONDITION_FAILED, detail)
        return Response(status_code=304, headers=headers) if status == 304 else problem(failure, headers)

    disposition = content_disposition("inline" if shown_as else "attachment", record.filename)
    # Never what is shown on a page: the store's answer would not have the headers that keep hostile files harmless. And
    # not HEAD: a link is signed for one method.
    if shown_as is None and request.method == "GET" and (link := await files.link(record, disposition)):
        return Response(status_code=307, headers={**_SAFETY, "Location": link, "Cache-Control": "no-store"})

    part = _requested_part(request, etag, modified, record.size)
    if part is Outcome.UNSATISFIABLE:
        failure = SatchelError(Code.RANGE_NOT_SATISFIABLE, f"The file has {record.size:,} bytes, none of that range.")
        return problem(failure, {**headers, "Content-Range": f"bytes */{record.size}"})
    start, stop = part if isinstance(part, Part) else (0, record.size)
    headers["Content-Type"] = shown_as or record.content_type
    if shown_as and shown_as.startswith(("video/", "audio/")):
        headers["Content-Security-Policy"] += " allow-same-origin"  # a player fetches what it plays in its page's name
    headers["Content-Disposition"] = disposition
    headers["Content-Length"] = str(stop - start)
    headers["Repr-Digest"] = f"sha-256=:{b64encode(bytes.fromhex(record.sha256)).decode()}:"  # RFC 9530
    if request.method == "HEAD":
        return Response(headers=headers)
    blob = await files.read(record, start, stop - start)
    if part is not Outcome.WHOLE:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{record.size}"
    return ByteStream(blob, 200 if part is Outcome.WHOLE else 206, headers)


def _misused(headers: Headers) -> bool:
    """Whether a page wants the file as code or as part of a foreign page. Scripts and apps send no such headers.

    https://www.w3.org/TR/fetch-metadata/
    """
    destination = headers.get("sec-fetch-dest", "")
    framed_elsewhere = destination in {"frame", "iframe"} and headers.get("sec-fetch-site") not in {
        "same-origin",
        "none",
    }
    return destination not in _DESTINATIONS or framed_elsewhere or "service-worker" in headers


# --- conditions -------------------------------------------------------------------------------------------------------

_ENTITY_TAG = re.compile(r'(?:W/)?"[^"]*"')


def failed_condition(headers: Headers, etag: str, modified: datetime) -> int | None:
    """The status that a GET's or HEAD's conditions call for, 304 or 412, or None where they all hold.

    `etag` is strong and quoted, `modified` has whole seconds. The order is that of RFC 9110, 13.2.2.
    """
    if (wanted := _field(headers, "if-match")) is not None:
        if wanted != "*" and etag not in _ENTITY_TAG.findall(wanted):  # strong comparison: a weak tag never matches
            return 412
    elif (limit := _date(headers, "if-unmodified-since")) and modified > limit:
        return 412
    if (known := _field(headers, "if-none-match")) is not None:
        weak = {tag.removeprefix("W/") for tag in _ENTITY_TAG.findall(known)}
        return 304 if known == "*" or etag in weak else None
    since = _date(headers, "if-modified-since")
    return 304 if since and modified <= since else None


def _requested_part(request: Request, etag: str, modified: datetime, size: int) -> Part | Outcome:
    """The range to answer with; `Range` has a meaning with GET only, and only while `If-Range` holds."""
    asked = _field(request.headers, "range")
    if asked is None or request.method != "GET":
        return Outcome.WHOLE
    condition = _field(request.headers, "if-range")
    if condition is not None and condition != etag and _date(request.headers, "if-range") != modified:
        return Outcome.WHOLE
    return parse_range(asked, size)


def _field(headers: Headers, name: str) -> str | None:
    """A field's value; one that was sent in several lines means the same as their list (RFC 9110, 5.3)."""
    lines = headers.getlist(name)
    return ", ".join(lines).strip() if lines else None


def _date(headers: Headers, name: str) -> datetime | None:
    """A field's HTTP-date in any of the three formats, or None where it is missing or none of them."""
    try:
        date = parsedate_to_datetime(headers.get(name, ""))
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


# --- names ------------------------------------------------------------------------------------------------------------

_ATTR_CHARS = "!#$&+-.^_`|~"  # RFC 8187, 3.2.1, besides letters and digits


def content_disposition(disposition: str, filename: str) -> str:
    """A `Content-Disposition` in ASCII that keeps any name (RFC 6266), with a name for clients that know ASCII only.

    `filename*` comes too where the name is not plain; a `%` is not, because some clients decode it (RFC 6266, D).
    """
    decomposed = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    fallback = re.sub(r'[\x00-\x1f\x7f"\\/%]', "_", decomposed).strip()
    if not fallback or (fallback.startswith(".") and not filename.startswith(".")):
        fallback = f"file{fallback}"
    plain = f'{disposition}; filename="{fallback}"'
    if fallback == filename:
        return plain
    return f"{plain}; filename*=UTF-8''{quote(filename.encode('utf-8', 'replace'), safe=_ATTR_CHARS)}"


# --- bytes ------------------------------------------------------------------------------------------------------------


class ByteStream(Response):
    """A response whose body is a range of a blob, of as many bytes as its Content-Length says.

    The blob is closed however the response ends. A failure of the store before the first byte is raised; after it, the
    connection breaks off short of the Content-Length, which is the only way left to tell the client. So it does when
    the server gives the client up.
    """

    def __init__(self, blob: BlobReader, status_code: int, headers: Mapping[str, str]) -> None:
        self.status_code = status_code
        self.background = None
        self.init_headers(headers)
        self._blob = blob

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it all, or as much as the client stays for."""
        try:
            slices = self._blob.slices() if "http.response.zerocopysend" in scope.get("extensions", {}) else None
            messages = self._messages(self._blob if slices is None else slices)
            # Made before anything is sent, so that a store that fails here still has a status to answer with.
            first = await anext(messages)
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await self._send_body(first, messages, receive, send)
        finally:
            await self._blob.aclose()

    async def _send_body(self, message: Message, rest: AsyncIterator[Message], receive: Receive, send: Send) -> None:
        client_left = asyncio.create_task(_disconnection(receive))
        try:
            # A server hands a chunk to its transport and waits, when it gets the next one, until that has drained: so
            # this plain loop reads one chunk while the one before is on its way, and holds two at most.
            while not client_left.done():
                await send(message)
                if not message["more_body"]:
                    return
                message = await anext(rest)
        except (SatchelError, EOFError, OSError) as error:
            # Returning without the last message makes the server close the connection.
            log.warning("download broken off", reason=str(error))
        finally:
            client_left.cancel()

    async def _messages(self, pieces: AsyncIterable[Slice | bytes]) -> AsyncIterator[Message]:
        async for piece in pieces:
            if isinstance(piece, bytes):
                yield {"type": "http.response.body", "body": piece, "more_body": True}
            else:
                offset = {} if piece.offset is None else {"offset": piece.offset}
                place = {"file": piece.file, "count": piece.size, **offset}
                yield {"type": "http.response.zerocopysend", "more_body": True, **place}
        yield {"type": "http.response.body", "body": b"", "more_body": False}


async def _disconnection(receive: Receive) -> None:
    """Return when the client has left; uvicorn drops what is sent after that without a word."""
    while (await receive())["type"] != "http.disconnect":
        pass
