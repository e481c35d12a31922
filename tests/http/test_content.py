"""The bytes of a file over HTTP: representations, ranges, conditions, safety, and streams that break off."""

import asyncio
import base64
import hashlib
import random
import re
import unicodedata
import zlib
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from itertools import pairwise
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from problems import assert_problem
from starlette.datastructures import Headers

from clients import client_at
from kept import eventually
from raw import END, MULTIPART, connected, head_of_part
from satchel.blobs import Slice
from satchel.errors import Code, SatchelError
from satchel.filenames import clean_filename
from satchel.http.content import ByteStream, content_disposition, download_url, failed_condition, preview_url
from stacks import embedded_only, one_is_enough, scaled_only

MIB = 1024 * 1024
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0\x90wS\xde"
HTML = b"<!doctype html><script>fetch('/pwned')</script>"
NO_ID = "00000000-0000-0000-0000-000000000000"


async def upload(client, name, data):
    """Store a file; gives its metadata."""
    response = await client.post("/files/upload", files={"file": (name, data)})
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture(scope="module")
async def reader(open_service):
    """A client of one application for all tests that only read."""
    async with open_service() as service:
        yield service.client


@pytest.fixture(scope="module")
async def digits(reader):
    """The reader's file of twenty bytes of text."""
    return await upload(reader, "digits.txt", b"01234567890123456789")


@pytest.fixture
async def text(client):
    """A file of twenty bytes of text, on a service of its own."""
    return await upload(client, "digits.txt", b"01234567890123456789")


def validators(file):
    """What a client may send back: the ETag, the date, and the date a second before and after."""
    modified = datetime.fromisoformat(file["upload_date"]).replace(microsecond=0)
    return {
        "ETAG": f'"{file["hash"]}"',
        "OTHER": '"' + "0" * 64 + '"',
        "DATE": format_datetime(modified, usegmt=True),
        "BEFORE": format_datetime(modified - timedelta(seconds=1), usegmt=True),
        "AFTER": format_datetime(modified + timedelta(seconds=1), usegmt=True),
        "RFC850": modified.strftime("%A, %d-%b-%y %H:%M:%S GMT"),
        "ASCTIME": modified.strftime("%a %b %e %H:%M:%S %Y"),
    }


# --- representations --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("route", ["", "/download"])
async def test_both_routes_describe_the_bytes(reader, digits, route, method):
    """GET and HEAD of both routes carry the validators, the digest, the exact length, and all that keeps it safe."""
    response = await reader.request(method, f"/files/{digits['id']}{route}")
    digest = base64.b64encode(hashlib.sha256(b"01234567890123456789").digest()).decode()
    disposition = "attachment" if route else "inline"
    expected = {
        "etag": f'"{digits["hash"]}"',
        "repr-digest": f"sha-256=:{digest}:",
        "last-modified": validators(digits)["DATE"],
        "cache-control": "private, no-cache",
        "accept-ranges": "bytes",
        "content-length": "20",
        "content-type": "text/plain" if route else "text/plain; charset=utf-8",
        "content-disposition": f'{disposition}; filename="digits.txt"',
        "x-content-type-options": "nosniff",
        "content-security-policy": (
            "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; media-src 'self'; sandbox"
        ),
        "cross-origin-resource-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "referrer-policy": "no-referrer",
    }
    assert response.status_code == 200
    assert dict(response.headers) == expected
    assert response.content == (b"01234567890123456789" if method == "GET" else b"")


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB])
async def test_all_bytes_arrive(reader, size):
    """Files of no byte, one byte, and around the size of a chunk come back as they went in."""
    data = random.Random(size).randbytes(size)
    file = await upload(reader, "a.bin", data)
    for route in ("", "/download"):
        response = await reader.get(f"/files/{file['id']}{route}")
        assert response.status_code == 200
        assert response.headers["content-length"] == str(size)
        assert response.content == data


@one_is_enough
@pytest.mark.parametrize("file_id", [NO_ID, "x", "upload", "..%2f..%2fetc", "%00", "{" + NO_ID + "}", NO_ID + "0"])
@pytest.mark.parametrize("route", ["", "/download"])
async def test_what_does_not_exist_is_not_found(reader, file_id, route):
    """An unknown id is NOT_FOUND, a malformed one too."""
    response = await reader.get(f"/files/{file_id}{route}")
    assert response.status_code == 404
    assert response.json()["code"] == "NOT_FOUND"


@one_is_enough
@pytest.mark.parametrize("spelling", ["{{{}}}", "urn:uuid:{}", "{}%00", "%20{}", "{}%0a", "x%2f..%2f{}"])
async def test_a_file_has_one_name(client, text, spelling):
    """An id in another spelling is no second address of the file."""
    response = await client.get(f"/files/{spelling.format(text['id'])}/metadata")
    assert response.status_code == 404


async def test_a_deleted_file_is_gone(client, text):
    """After a delete, both routes answer NOT_FOUND."""
    await client.delete(f"/files/{text['id']}")
    for route in ("", "/download"):
        assert (await client.get(f"/files/{text['id']}{route}")).status_code == 404


@one_is_enough
async def test_a_link_is_of_one_file_and_not_of_its_name_or_bytes(client):
    """The links of a deleted file lead nowhere, also when the same bytes come again under the same name."""
    old = await upload(client, "a.txt", b"data")
    await client.delete(f"/files/{old['id']}")
    new = await upload(client, "a.txt", b"data")
    assert [(await client.get(file["download_url"])).status_code for file in (old, new)] == [404, 200]
    assert (await client.get(old["preview_url"])).status_code == 404


async def test_only_the_file_of_an_id_is_deleted(client, kept):
    """Neither others of the same bytes, nor others whose ids are near, nor any by a part of an id."""
    files = [await upload(client, name, data) for name, data in (("a", b"1"), ("b", b"1"), ("c", b"2"))]
    for part in (files[0]["id"][:-1], files[0]["id"][:8], "", "%25", "*"):
        assert (await client.delete(f"/files/{part}")).status_code in {404, 405}
    assert (await client.delete(f"/files/{files[0]['id']}")).status_code == 200
    assert {file["id"] for file in (await client.get("/files")).json()} == {files[1]["id"], files[2]["id"]}
    assert [(await client.get(file["download_url"])).content for file in files[1:]] == [b"1", b"2"]


async def test_a_rename_keeps_the_validators(client, stack, text):
    """A new name reaches the download; the bytes are the same, and so is their ETag."""
    await stack.files.rename(text["id"], "новое.txt")
    response = await client.get(text["download_url"])
    assert response.headers["etag"] == validators(text)["ETAG"]
    assert "filename*=UTF-8''%D0%BD%D0%BE%D0%B2%D0%BE%D0%B5.txt" in response.headers["content-disposition"]


# --- safety -----------------------------------------------------------------------------------------------------------


@one_is_enough
@pytest.mark.parametrize(
    ("name", "data", "shown_as"),
    [
        ("a.png", PNG, "image/png"),
        ("a.txt", PNG, "image/png"),
        ("a.pdf", b"%PDF-1.4\n1 0 obj\n", "application/pdf"),
        ("a.json", b'{"a": 1}', "text/plain; charset=utf-8"),
        ("a.js", b"fetch('/pwned')", "text/plain; charset=utf-8"),
        ("a.css", b"a { color: red }", "text/plain; charset=utf-8"),
        ("a.html", b"no markup", None),
        ("a.html", HTML, None),
        ("a.png", HTML, None),
        ("a.txt", HTML, None),
        ("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', None),
        ("a.xml", b'<?xml version="1.0"?><x/>', None),
        ("a.zip", b"PK\5\6" + b"\0" * 18, None),
        ("script.pdf", b"%PDF-1.4\n1 0 obj << /S /JavaScript /JS (app.alert\\(1\\)) >> endobj\n", None),
        ("a.bin", b"\x05\xe2\x91\x00" * 9, None),
    ],
)
async def test_only_what_is_safe_is_shown(reader, name, data, shown_as):
    """The preview route shows what is on the list, and answers with an attachment where `preview_url` is null."""
    file = await upload(reader, name, data)
    response = await reader.get(f"/files/{file['id']}")
    assert response.headers["content-type"] == (shown_as or file["content_type"])
    assert response.headers["content-disposition"].split(";")[0] == ("inline" if shown_as else "attachment")
    assert file["preview_url"] == (f"/files/{file['id']}" if shown_as else None)
    assert file["download_url"] == f"/files/{file['id']}/download"
    download = await reader.get(file["download_url"])
    assert download.headers["content-type"] == file["content_type"]
    assert download.headers["content-disposition"].startswith("attachment;")


@one_is_enough
@pytest.mark.parametrize(("unpacked", "shown"), [(90_000, True), (100_001, False)])
@pytest.mark.settings(max_pdf_unpacked=100_000)
async def test_a_pdf_too_large_to_be_looked_into_is_saved(client, unpacked, shown):
    """What its object streams unpack to is looked at to a bound; beyond it there might be a script."""
    packed = zlib.compress(b" " * unpacked)
    stream = b"1 0 obj << /Type /ObjStm /First 0 /Filter /FlateDecode >> stream\n" + packed + b"\nendstream endobj\n"
    file = await upload(client, "a.pdf", b"%PDF-1.7\n" + stream)
    assert file["content_type"] == ("application/pdf" if shown else "application/pdf; scripts=yes")
    assert (file["preview_url"] is not None) == shown


@one_is_enough
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"sec-fetch-dest": "document", "sec-fetch-site": "cross-site"}, 200),
        ({"sec-fetch-dest": "image", "sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-dest": "video"}, 200),
        ({"sec-fetch-dest": "audio"}, 200),
        ({"sec-fetch-dest": "track"}, 200),
        ({"sec-fetch-dest": "empty"}, 200),
        ({"sec-fetch-dest": "iframe", "sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-dest": "iframe", "sec-fetch-site": "none"}, 200),
        ({"sec-fetch-dest": "iframe", "sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-dest": "iframe", "sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-dest": "frame"}, 403),
        ({"sec-fetch-dest": "script", "sec-fetch-site": "same-origin"}, 403),
        ({"sec-fetch-dest": "style"}, 403),
        ({"sec-fetch-dest": "worker"}, 403),
        ({"sec-fetch-dest": "sharedworker"}, 403),
        ({"sec-fetch-dest": "serviceworker"}, 403),
        ({"sec-fetch-dest": "object"}, 403),
        ({"sec-fetch-dest": "embed"}, 403),
        ({"sec-fetch-dest": "manifest"}, 403),
        ({"service-worker": "script"}, 403),
    ],
)
@pytest.mark.parametrize("route", ["", "/download"])
async def test_a_file_is_never_code(reader, digits, route, headers, status):
    """A browser that wants the file as a script, a style or a foreign frame is refused; one that shows it is not."""
    response = await reader.get(f"/files/{digits['id']}{route}", headers=headers)
    assert response.status_code == status
    assert response.headers["x-content-type-options"] == "nosniff"
    if status == 403:
        assert_problem(response, 403, "FORBIDDEN_DESTINATION")
        assert "sandbox" in response.headers["content-security-policy"]


# --- ranges -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "status", "part", "content_range"),
    [
        ("bytes=0-0", 206, b"0", "bytes 0-0/20"),
        ("bytes=0-", 206, b"01234567890123456789", "bytes 0-19/20"),
        ("bytes=5-9", 206, b"56789", "bytes 5-9/20"),
        ("bytes=15-99", 206, b"56789", "bytes 15-19/20"),
        ("bytes=-3", 206, b"789", "bytes 17-19/20"),
        ("bytes=-99", 206, b"01234567890123456789", "bytes 0-19/20"),
        ("bytes=20-", 416, b"", "bytes */20"),
        ("bytes=-0", 416, b"", "bytes */20"),
        ("bytes=0-1,3-4", 200, b"01234567890123456789", None),
        ("bytes=4-3", 200, b"01234567890123456789", None),
        ("lines=0-1", 200, b"01234567890123456789", None),
        ("nonsense", 200, b"01234567890123456789", None),
    ],
)
@pytest.mark.parametrize("route", ["", "/download"])
async def test_ranges(reader, digits, route, asked, status, part, content_range):
    """One range is answered with 206 and exactly those bytes, one outside with 416, anything else with all bytes."""
    response = await reader.get(f"/files/{digits['id']}{route}", headers={"range": asked})
    assert response.status_code == status
    assert response.headers.get("content-range") == content_range
    if status == 416:
        assert_problem(response, 416, "RANGE_NOT_SATISFIABLE", "20 bytes")
    else:
        assert response.headers["content-length"] == str(len(part))
        assert response.content == part
    assert response.headers["etag"] == validators(digits)["ETAG"]
    assert response.headers["accept-ranges"] == "bytes"


async def test_ranges_in_several_lines_are_several_ranges(reader, digits):
    """Two Range lines are a list of two, which is answered with all bytes."""
    response = await reader.get(digits["download_url"], headers=[("range", "bytes=0-1"), ("range", "bytes=3-4")])
    assert response.status_code == 200


@one_is_enough
async def test_a_range_of_any_length_is_answered(reader, digits):
    """As many ranges, and numbers as long, as a head has room for."""
    for asked, status in (
        ("bytes=" + "0-1," * 15_000 + "0-1", 200),
        ("bytes=" + "9" * 60_000 + "-", 416),
        ("bytes=" + "0" * 60_000 + "-1", 206),
        ("bytes=-" + "9" * 60_000, 206),
        ("bytes=" + " " * 60_000 + "x", 200),
    ):
        assert (await reader.get(digits["download_url"], headers={"range": asked})).status_code == status


async def test_ranges_of_nothing(reader):
    """An empty file has no first byte, and its suffix is all of it."""
    file = await upload(reader, "empty.txt", b"")
    first = await reader.get(file["download_url"], headers={"range": "bytes=0-"})
    assert (first.status_code, first.headers["content-range"]) == (416, "bytes */0")
    suffix = await reader.get(file["download_url"], headers={"range": "bytes=-5"})
    assert (suffix.status_code, suffix.content) == (200, b"")


@pytest.mark.parametrize("asked", ["bytes=0-4", "bytes=99-"])
async def test_head_knows_no_range(reader, digits, asked):
    """Range is defined for GET only, so HEAD tells the length of the whole."""
    response = await reader.head(f"/files/{digits['id']}", headers={"range": asked})
    assert response.status_code == 200
    assert response.headers["content-length"] == "20"
    assert "content-range" not in response.headers


async def test_parts_join_to_the_whole(reader):
    """Parts across the borders of chunks are those bytes, and joined they are the file."""
    data = random.Random(1).randbytes(3 * MIB + 5)
    file = await upload(reader, "a.bin", data)
    borders = [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB + 7, 3 * MIB, len(data)]
    joined = b""
    for start, stop in pairwise(borders):
        response = await reader.get(file["download_url"], headers={"range": f"bytes={start}-{stop - 1}"})
        assert response.status_code == 206
        assert response.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(data)}"
        joined += response.content
    assert joined == data


# --- conditions -------------------------------------------------------------------------------------------------------

CONDITIONS = [
    # If-Match: strong comparison
    ({"if-match": "ETAG"}, 200),
    ({"if-match": "*"}, 200),
    ({"if-match": " * "}, 200),
    ({"if-match": "OTHER"}, 412),
    ({"if-match": "OTHER, ETAG"}, 200),
    ({"if-match": "ETAG,OTHER"}, 200),
    ({"if-match": ", ,ETAG"}, 200),
    ({"if-match": "W/ETAG"}, 412),
    ({"if-match": "W/ETAG, ETAG"}, 200),
    ({"if-match": "nonsense"}, 412),
    ({"if-match": '"*"'}, 412),
    ({"if-match": ""}, 412),
    # If-None-Match: weak comparison
    ({"if-none-match": "ETAG"}, 304),
    ({"if-none-match": "*"}, 304),
    ({"if-none-match": "OTHER"}, 200),
    ({"if-none-match": "OTHER, ETAG"}, 304),
    ({"if-none-match": "W/ETAG"}, 304),
    ({"if-none-match": 'W/"x", W/ETAG'}, 304),
    ({"if-none-match": "nonsense"}, 200),
    ({"if-none-match": '"*"'}, 200),
    ({"if-none-match": '"a,b", ETAG'}, 304),
    # Dates
    ({"if-modified-since": "DATE"}, 304),
    ({"if-modified-since": "AFTER"}, 304),
    ({"if-modified-since": "BEFORE"}, 200),
    ({"if-modified-since": "RFC850"}, 304),
    ({"if-modified-since": "ASCTIME"}, 304),
    ({"if-modified-since": "nonsense"}, 200),
    ({"if-modified-since": ""}, 200),
    ({"if-unmodified-since": "DATE"}, 200),
    ({"if-unmodified-since": "AFTER"}, 200),
    ({"if-unmodified-since": "BEFORE"}, 412),
    ({"if-unmodified-since": "nonsense"}, 200),
    # Precedence: the tag before the date, 412 before 304
    ({"if-match": "ETAG", "if-unmodified-since": "BEFORE"}, 200),
    ({"if-match": "OTHER", "if-unmodified-since": "AFTER"}, 412),
    ({"if-none-match": "OTHER", "if-modified-since": "AFTER"}, 200),
    ({"if-none-match": "ETAG", "if-modified-since": "BEFORE"}, 304),
    ({"if-match": "OTHER", "if-none-match": "ETAG"}, 412),
    ({"if-match": "ETAG", "if-none-match": "ETAG"}, 304),
    ({"if-match": "ETAG", "if-none-match": "OTHER"}, 200),
    ({"if-unmodified-since": "BEFORE", "if-none-match": "ETAG"}, 412),
    ({"if-match": "ETAG", "if-modified-since": "DATE"}, 304),
    # With Range
    ({"range": "bytes=0-1", "if-match": "OTHER"}, 412),
    ({"range": "bytes=0-1", "if-none-match": "ETAG"}, 304),
    ({"range": "bytes=0-1", "if-none-match": "OTHER"}, 206),
    ({"range": "bytes=99-", "if-none-match": "ETAG"}, 304),
    ({"range": "bytes=99-", "if-match": "OTHER"}, 412),
    ({"range": "bytes=99-", "if-match": "ETAG"}, 416),
    ({"range": "bytes=0-1", "if-range": "ETAG"}, 206),
    ({"range": "bytes=0-1", "if-range": "OTHER"}, 200),
    ({"range": "bytes=0-1", "if-range": "W/ETAG"}, 200),
    ({"range": "bytes=0-1", "if-range": "DATE"}, 206),
    ({"range": "bytes=0-1", "if-range": "BEFORE"}, 200),
    ({"range": "bytes=0-1", "if-range": "AFTER"}, 200),
    ({"range": "bytes=0-1", "if-range": "ASCTIME"}, 206),
    ({"range": "bytes=0-1", "if-range": "nonsense"}, 200),
    ({"range": "bytes=0-1", "if-range": "*"}, 200),
    ({"range": "bytes=99-", "if-range": "ETAG"}, 416),
    ({"range": "bytes=99-", "if-range": "OTHER"}, 200),
    ({"if-range": "ETAG"}, 200),
    ({"if-range": "OTHER"}, 200),
]


def spelled(headers, file):
    """The table's words replaced by what they stand for."""
    words = validators(file)
    pattern = re.compile("|".join(words))
    return {name: pattern.sub(lambda word: words[word[0]], value) for name, value in headers.items()}


@one_is_enough
@pytest.mark.parametrize(("headers", "status"), CONDITIONS)
async def test_conditions(reader, digits, headers, status):
    """Conditions are judged in the order of RFC 9110, 13.2.2; what is refused carries the validators too."""
    response = await reader.get(f"/files/{digits['id']}", headers=spelled(headers, digits))
    assert response.status_code == status
    assert response.headers["etag"] == validators(digits)["ETAG"]
    assert response.headers["last-modified"] == validators(digits)["DATE"]
    if code := {412: "PRECONDITION_FAILED", 416: "RANGE_NOT_SATISFIABLE"}.get(status):
        assert_problem(response, status, code)
    else:
        assert response.headers["cache-control"] == "private, no-cache"
        assert response.content == {200: b"01234567890123456789", 206: b"01"}.get(status, b"")


@one_is_enough
@pytest.mark.parametrize(("headers", "status"), [case for case in CONDITIONS if "range" not in case[0]])
async def test_conditions_of_head(reader, digits, headers, status):
    """HEAD is judged as GET is, and answered without a body."""
    response = await reader.head(f"/files/{digits['id']}", headers=spelled(headers, digits))
    assert response.status_code == status
    assert response.headers["etag"] == validators(digits)["ETAG"]


@one_is_enough
async def test_tags_in_several_lines_are_a_list(reader, digits):
    """A field that is sent twice means the list of both."""
    tags = [("if-none-match", validators(digits)["OTHER"]), ("if-none-match", validators(digits)["ETAG"])]
    assert (await reader.get(f"/files/{digits['id']}", headers=tags)).status_code == 304


@given(
    st.dictionaries(
        st.sampled_from(["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"]),
        st.one_of(
            st.text(st.characters(max_codepoint=255), max_size=40),
            st.from_regex(
                r"\A[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,6} [0-9:]{1,9} ([A-Z]{3}|[+-][0-9]{1,6})\Z"
            ),
            st.datetimes().map(format_datetime),
        ),
    )
)
@example({"if-modified-since": "Sun, 06 Nov 99999 08:49:37 GMT"})
@example({"if-modified-since": "Mon, 01 Jan 0001 00:00:00 +2359"})
@example({"if-match": '"' * 50_000})
def test_any_condition_is_judged(headers):
    """Whatever a client sends as a condition, the answer is to go on, 304, or 412."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    assert failed_condition(Headers(raw=raw), '"x"', datetime(2026, 1, 1, tzinfo=UTC)) in {None, 304, 412}


# --- names ------------------------------------------------------------------------------------------------------------

_DISPOSITION = re.compile(
    r"(?P<kind>inline|attachment); filename=\"(?P<plain>[ !#-\[\]-~]+)\""
    r"(?:; filename\*=UTF-8''(?P<any>(?:[A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-F]{2})*))?"
)


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.txt", 'attachment; filename="a.txt"'),
        ("my file; x=1.txt", 'attachment; filename="my file; x=1.txt"'),
        ("it's.txt", 'attachment; filename="it\'s.txt"'),
        ("naïve café.txt", "attachment; filename=\"naive cafe.txt\"; filename*=UTF-8''na%C3%AFve%20caf%C3%A9.txt"),
        ("年報.pdf", "attachment; filename=\"file.pdf\"; filename*=UTF-8''%E5%B9%B4%E5%A0%B1.pdf"),
        ("отчёт 2026.pdf", None),
        ("50%25.txt", "attachment; filename=\"50_25.txt\"; filename*=UTF-8''50%2525.txt"),
        ("€ rates", "attachment; filename=\"rates\"; filename*=UTF-8''%E2%82%AC%20rates"),
        (".bashrc", 'attachment; filename=".bashrc"'),
        ("fullwidth\uff02\uff0f\uff3c.txt", None),
        ("👩\u200d👧.png", None),
    ],
)
def test_dispositions(name, header):
    """A plain name stands alone; any other also comes in UTF-8, with what is left of it in ASCII."""
    value = content_disposition("attachment", name)
    assert header is None or value == header
    assert _DISPOSITION.fullmatch(value)


@given(st.text(max_size=80), st.sampled_from(["inline", "attachment"]))
@example('\uff02; filename="x', "inline")
@example("%41.txt", "inline")
def test_a_disposition_keeps_every_legal_name(raw, kind):
    """Each legal name makes one header in ASCII, of the grammar of RFC 6266, from which it is read back."""
    try:
        name = clean_filename(raw)
    except SatchelError:
        return
    value = content_disposition(kind, name)
    match = _DISPOSITION.fullmatch(value)
    assert match
    assert match["kind"] == kind
    assert (match["plain"] if match["any"] is None else unquote(match["any"], errors="strict")) == name


@given(st.text(max_size=80))
def test_a_disposition_is_safe_for_any_string(name):
    """A name that was never cleaned breaks no header either."""
    assert _DISPOSITION.fullmatch(content_disposition("inline", name))


@one_is_enough
@pytest.mark.parametrize("name", ["отчёт.txt", "a'b.txt", "年報 (終).txt", "👍🏽.txt", "می\u200cخواهم.txt", "100%.txt"])  # noqa: RUF001
async def test_names_survive_the_round_trip(reader, name):
    """The name that was uploaded is the name that is saved."""
    file = await upload(reader, name, b"x")
    values = (await reader.get(file["download_url"])).headers.get_list("content-disposition")
    assert len(values) == 1
    match = _DISPOSITION.fullmatch(values[0])
    assert match
    assert unquote(match["any"] or match["plain"]) == name == file["filename"]


ANY_NAME = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from(["a", ".", "/", "\\", '"', "%", ";", "=", "'", "\r", "\n", "\0", "\x1b", "\x9b", "\x7f", " "]),
        st.sampled_from(["\u202e", "\u2066", "\u200f", "\ufeff", "\uff02", "\uff0f", "\u0301", "é", "年", "🏽"]),
    ),
    max_size=40,
)


@one_is_enough
@settings(max_examples=100)
@given(ANY_NAME)
@example("\x9b2J\x7f.txt")
@example("invoice\u202egpj.exe")
@example("\uff02; filename=\uff02evil.exe")
@example("年" * 200 + ".txt")
@example("a\r\nSet-Cookie: x=1.txt")
async def test_any_name_makes_one_header(reader, name):
    """Of whatever a client calls its file, a name is left that shows, saves and heads as itself, or none."""
    escaped = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    body = head_of_part("file", escaped) + b"x" + END
    response = await reader.post("/files/upload", content=body, headers={"Content-Type": MULTIPART})
    if response.status_code != 200:
        assert (response.status_code, response.json()["code"]) in {(400, "INVALID_FILENAME"), (400, "BAD_MULTIPART")}
        return
    kept = response.json()["filename"]
    assert 0 < len(kept.encode()) <= 255
    assert not set(kept) & set('/\\"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069')
    assert not any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in kept)
    values = (await reader.get(response.json()["download_url"])).headers.get_list("content-disposition")
    assert len(values) == 1
    match = _DISPOSITION.fullmatch(values[0])
    assert match
    assert (match["plain"] if match["any"] is None else unquote(match["any"], errors="strict")) == kept


# --- the store --------------------------------------------------------------------------------------------------------


async def test_lost_bytes_are_told(client, text, kept):
    """A store that lost the object is a problem document, before anything is sent."""
    [stored] = kept.objects()
    kept.store.remove(stored)
    for headers in ({}, {"range": "bytes=0-1"}):
        response = await client.get(text["download_url"], headers=headers)
        assert response.status_code == 502
        assert response.json()["code"] == "STORE_INTEGRITY"
        assert "etag" not in response.headers


async def test_what_has_no_body_needs_no_store(client, text, kept):
    """HEAD, 304, 412 and 416 are answered from the record alone."""
    [stored] = kept.objects()
    kept.store.remove(stored)
    url, tag = text["download_url"], validators(text)["ETAG"]
    assert (await client.head(url)).status_code == 200
    assert (await client.get(url, headers={"if-none-match": tag})).status_code == 304
    assert (await client.get(url, headers={"if-match": '"other"'})).status_code == 412
    assert (await client.get(url, headers={"range": "bytes=20-"})).status_code == 416


async def test_truncated_bytes_are_told(client, text, kept):
    """An object of another size than the record's is not served, not even the part that is there."""
    [stored] = kept.objects()
    kept.store.truncate(stored, 10)
    response = await client.get(text["download_url"], headers={"range": "bytes=0-1"})
    assert response.status_code == 502


# --- streams ----------------------------------------------------------------------------------------------------------


class Chunks:
    """A blob of chunks that notes what was asked of it; an exception in it is raised in its place."""

    def __init__(self, *items):
        self.read, self.closed = 0, False
        self._items = items

    async def __aiter__(self):
        for item in self._items:
            await asyncio.sleep(0)
            if isinstance(item, BaseException):
                raise item
            self.read += 1
            yield item

    def slices(self):
        return None

    async def aclose(self):
        self.closed = True


class Connection:
    """The server's side of one request: records what is sent, and leaves when told."""

    def __init__(self):
        self.messages, self.left = [], asyncio.Event()

    async def receive(self):
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        self.messages.append(message)

    @property
    def body(self):
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def complete(self):
        return bool(self.messages) and not self.messages[-1].get("more_body", True)


def respond(chunks, connection, send=None):
    """Run the response of a stream on a connection."""
    response = ByteStream(chunks, 200, {"Content-Length": "4"})
    return response({"type": "http"}, connection.receive, send or connection.send)


async def test_a_stream_is_sent_and_closed():
    """All chunks are sent in order, the body is ended, and the stream is closed."""
    chunks, connection = Chunks(b"ab", b"cd"), Connection()
    await respond(chunks, connection)
    assert connection.messages[0] == {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-length", b"4")],
    }
    assert connection.body == b"abcd"
    assert connection.complete
    assert chunks.closed


async def test_a_server_that_sends_from_descriptors_is_given_slices():
    """With `http.response.zerocopysend` no byte passes through here: only places in a file do, and sizes of a pipe."""
    blob, connection = Chunks(Slice(7, 2, 4), Slice(7, 6, 3), Slice(8, None, 3)), Connection()
    blob.slices = lambda: aiter(blob)
    extensions = {"http.response.zerocopysend": {}}
    response = ByteStream(blob, 206, {"Content-Length": "10"})
    await response({"type": "http", "extensions": extensions}, connection.receive, connection.send)
    slices = [message for message in connection.messages if message["type"] == "http.response.zerocopysend"]
    places = [{key: one[key] for key in ("file", "offset", "count") if key in one} for one in slices]
    assert places == [
        {"file": 7, "offset": 2, "count": 4},
        {"file": 7, "offset": 6, "count": 3},
        {"file": 8, "count": 3},
    ]
    assert connection.complete
    assert blob.closed


async def test_what_has_no_slices_is_copied():
    """A server that could send from descriptors gets the chunks of a blob that has none."""
    blob, connection = Chunks(b"ab", b"cd"), Connection()
    response = ByteStream(blob, 200, {"Content-Length": "4"})
    extensions = {"http.response.zerocopysend": {}}
    await response({"type": "http", "extensions": extensions}, connection.receive, connection.send)
    assert connection.body == b"abcd"
    assert connection.complete


async def test_an_empty_stream_is_ended():
    """No chunk is an empty body."""
    chunks, connection = Chunks(), Connection()
    await respond(chunks, connection)
    assert connection.complete
    assert chunks.closed


async def test_a_failure_before_the_first_chunk_is_raised():
    """Nothing was sent yet, so the failure can have a status of its own."""
    failure = SatchelError(Code.STORE_UNAVAILABLE, "x")
    chunks, connection = Chunks(failure), Connection()
    with pytest.raises(SatchelError):
        await respond(chunks, connection)
    assert connection.messages == []
    assert chunks.closed


async def test_a_failure_in_the_middle_breaks_off():
    """A body that cannot be finished is never ended as if it were."""
    chunks, connection = Chunks(b"ab", SatchelError(Code.STORE_INTEGRITY, "x")), Connection()
    await respond(chunks, connection)
    assert connection.body == b"ab"
    assert not connection.complete
    assert chunks.closed


async def test_a_client_that_leaves_stops_the_reading():
    """After a disconnect no further chunk is read, and the stream is closed."""
    chunks, connection = Chunks(*[b"x"] * 1000), Connection()

    async def send(message):
        connection.messages.append(message)
        if len(connection.messages) == 5:
            connection.left.set()

    await respond(chunks, connection, send)
    assert chunks.read < 10
    assert not connection.complete
    assert chunks.closed


async def test_a_slow_client_slows_the_reading():
    """While a chunk waits to be sent, no more is read, so memory stays flat."""
    chunks, connection, readable = Chunks(*[b"x"] * 1000), Connection(), asyncio.Event()

    async def send(message):
        connection.messages.append(message)
        if message["type"] == "http.response.body":
            await readable.wait()

    task = asyncio.create_task(respond(chunks, connection, send))
    for _ in range(100):
        await asyncio.sleep(0)
    assert chunks.read <= 2
    readable.set()
    await task
    assert chunks.read == 1000


async def test_a_client_that_stops_reading_is_given_up():
    """When the server says that a client takes nothing, the stream is closed, and its body is not ended."""
    chunks, connection = Chunks(b"ab", b"cd"), Connection()

    async def send(message):
        connection.messages.append(message)
        if message["type"] == "http.response.body":
            raise TimeoutError("the client stopped reading")

    await respond(chunks, connection, send)
    assert not connection.complete
    assert chunks.closed


@pytest.mark.parametrize("steps", range(8))
async def test_a_cancelled_response_closes_its_stream(steps):
    """A request that is cancelled at any step leaves no open stream behind."""
    chunks, connection = Chunks(*[b"x"] * 1000), Connection()
    task = asyncio.create_task(respond(chunks, connection))
    for _ in range(steps + 1):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert chunks.closed


# --- the real server --------------------------------------------------------------------------------------------------

LARGE = 64 * MIB  # more than sockets and buffers hold on the way


async def large_on(server):
    """Put a large file on a real server; gives its download URL and its bytes."""
    data = random.Random(2).randbytes(LARGE)
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        file = await upload(client, "large.bin", data)
    return server.url + file["download_url"], data


def reads_nothing(server):
    """Whether the server holds no object open."""
    return not [path for path in server.open_files() if "/objects/o/" in str(path)]


@embedded_only
async def test_a_download_that_fails_in_the_middle_is_cut_short(server):
    """When bytes vanish in mid-download, the client gets less than was announced and so knows; the server goes on."""
    url, _ = await large_on(server)
    async with httpx.AsyncClient(timeout=60) as client:
        async with client.stream("GET", url) as response:
            assert response.headers["content-length"] == str(LARGE)
            [stored] = server.kept.objects()
            server.kept.store.truncate(stored, 100)
            with pytest.raises(httpx.RemoteProtocolError):
                await response.aread()
        assert (await client.get(server.url + "/healthz")).status_code == 200
    await eventually(lambda: reads_nothing(server))
    assert "Traceback" not in server.logged()


@embedded_only
async def test_a_client_that_leaves_frees_what_it_held(shared_server):
    """After a client left in the middle, the server soon holds no descriptor of the object."""
    url, _ = await large_on(shared_server)
    async with httpx.AsyncClient(timeout=60) as client:
        for _ in range(5):
            async with client.stream("GET", url) as response:
                await anext(response.aiter_raw())
        await eventually(lambda: reads_nothing(shared_server))
    assert "Traceback" not in shared_server.logged()


@pytest.mark.settings(delete_grace="0.001s", sweep_interval="0.1s")
async def test_a_file_that_is_deleted_while_it_is_read(server, count):
    """Once the deletion is acknowledged it is gone; a download under way ends with its bytes, or short of them."""
    async with client_at(server) as client:

        async def race(number):
            data = random.Random(number).randbytes(16 * MIB + number)
            file = await upload(client, f"{number}.bin", data)
            async with connected(server) as raw:
                await raw.request("GET", file["download_url"], {"Connection": "close"})
                head, received = await raw.reader.readuntil(b"\r\n\r\n"), b""
                assert head.startswith(b"HTTP/1.1 200")
                assert (await client.delete(f"/files/{file['id']}")).status_code == 200
                assert (await client.get(file["download_url"])).status_code == 404
                await eventually(lambda: file["minio_object_name"] not in server.kept.objects())
                with suppress(ConnectionError):
                    while piece := await raw.reader.read(65536):
                        received += piece
            assert data.startswith(received)

        for number in range(count(5, 200)):
            await race(number)
    await eventually(server.kept.is_empty)
    assert "Traceback" not in server.logged()


@scaled_only
@pytest.mark.settings(s3_connections=2)
async def test_clients_that_ask_and_leave_hold_no_connection_to_the_store(server, count):
    """After any number of HEADs and of downloads that were left, there are connections for an upload and a download."""
    data = random.Random(3).randbytes(16 * MIB)
    async with client_at(server) as client:
        path = (await upload(client, "before.bin", data))["download_url"]
        for _ in range(count(50, 10_000)):
            assert (await client.head(path)).headers["content-length"] == str(len(data))
        for _ in range(count(20, 2000)):
            async with connected(server) as raw:
                await raw.request("GET", path, {})
                await raw.reader.readuntil(b"\r\n\r\n")
        await upload(client, "after.bin", data + b"after")
        assert (await client.get(path)).content == data
    assert "Traceback" not in server.logged()


async def test_the_real_server_serves_parts_of_one_connection(shared_server):
    """Whole, part, HEAD and refusals follow each other on one connection, so each has exactly the length it says."""
    url, data = await large_on(shared_server)
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=1)) as client:
        for _ in range(2):
            assert (await client.get(url)).content == data
            part = await client.get(url, headers={"range": f"bytes={MIB - 1}-{2 * MIB}"})
            assert part.content == data[MIB - 1 : 2 * MIB + 1]
            head = await client.head(url)
            assert head.headers["content-length"] == str(LARGE)
            assert parsedate_to_datetime(head.headers["last-modified"]) <= datetime.now(UTC)
            assert (await client.get(url, headers={"if-none-match": head.headers["etag"]})).status_code == 304
            assert (await client.head(url, headers={"if-match": '"x"'})).status_code == 412
            assert_problem(await client.get(url, headers={"if-match": '"x"'}), 412, "PRECONDITION_FAILED")
            assert_problem(await client.get(url, headers={"range": f"bytes={LARGE}-"}), 416, "RANGE_NOT_SATISFIABLE")


# --- the contract -----------------------------------------------------------------------------------------------------


@one_is_enough
async def test_the_routes_are_documented(reader):
    """OpenAPI has both routes with a summary and all their answers."""
    paths = (await reader.get("/openapi.json")).json()["paths"]
    for path in ("/files/{file_id}", "/files/{file_id}/download"):
        operation = paths[path]["get"]
        assert operation["summary"]
        assert {"200", "206", "304", "403", "404", "412", "416", "502", "503"} <= operation["responses"].keys()
        assert "*/*" in operation["responses"]["200"]["content"]


@one_is_enough
async def test_what_any_request_may_be_answered_with_is_documented(reader):
    """The front answers before any route, always in the one shape for failures; FastAPI's own answer is never given."""
    document = (await reader.get("/openapi.json")).json()
    operations = {(method, path): each for path, at in document["paths"].items() for method, each in at.items()}
    for operation in operations.values():
        for status in ("400", "403", "408", "414", "421", "431"):
            assert "application/problem+json" in operation["responses"][status]["content"]
    assert [key for key, each in operations.items() if "422" in each["responses"]] == [("post", "/files/upload")]
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert (await reader.get("/files?limit=0")).status_code == 400


@one_is_enough
async def test_addresses_are_relative(stack, text):
    """The URLs of a record hold on any host and behind any proxy that keeps the paths."""
    record = await stack.files.get(text["id"])
    assert preview_url(record) == f"/files/{record.id}"
    assert download_url(record) == f"/files/{record.id}/download"
