import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from satchel.errors import Code, SatchelError
from satchel.http.body import ClientGone
from satchel.http.multipart import MARGIN, MAX_NAME, MAX_PART_HEADER, MAX_PART_HEADERS, MultipartReader

BOUNDARY = b"----WebKitFormBoundaryAbC123"
FILES = 10
TYPE = f"multipart/form-data; boundary={BOUNDARY.decode()}"


def part(name, data=b"", filename=None, *headers):
    """One part as a browser writes it; texts that are bytes are taken as they are."""
    name, filename = (text.encode() if isinstance(text, str) else text for text in (name, filename))
    disposition = b'Content-Disposition: form-data; name="%s"' % name
    if filename is not None:
        disposition += b'; filename="%s"' % filename
    return raw_part(disposition, *headers, data=data)


def raw_part(*headers, data=b""):
    """One part with exactly these header lines."""
    return b"".join(header + b"\r\n" for header in headers) + b"\r\n" + data


def form(*parts, boundary=BOUNDARY, end=b"\r\n"):
    """A whole body."""
    return b"".join(b"--%s\r\n%s\r\n" % (boundary, one) for one in parts) + b"--%s--" % boundary + end


def reader_of(chunks, content_type=TYPE):
    return MultipartReader(content_type, chunks, FILES)


async def read(body, content_type=TYPE, *, gone=False):
    """All parts of a body, given whole or as its chunks, as (name, filename, type, bytes)."""

    async def chunks():
        for chunk in [body] if isinstance(body, bytes) else body:
            yield chunk
        if gone:
            raise ClientGone

    parts = []
    async for one in reader_of(chunks(), content_type):
        data = [bytes(piece) async for piece in one]
        parts.append((one.name, one.filename, one.content_type, b"".join(data)))
    return parts


async def outcome(body, content_type=TYPE):
    """The parts, or the code of the failure."""
    try:
        return await read(body, content_type)
    except SatchelError as error:
        return error.code


async def refused(body, content_type=TYPE, code=Code.BAD_MULTIPART, **options):
    """What the refusal of a body says."""
    with pytest.raises(SatchelError) as raised:
        await read(body, content_type, **options)
    assert raised.value.code is code
    return raised.value.detail


async def names(body):
    return [(name, filename) for name, filename, _, _ in await read(body)]


def every_split(body):
    """A body cut in two at each place, and into single bytes."""
    yield from ([body[:cut], body[cut:]] for cut in range(1, len(body)))
    yield [body[at : at + 1] for at in range(len(body))]


# What a body holds


async def test_several_files_come_in_order_with_their_bytes():
    """Files and fields come in the order of the body, each with its name, filename, type and bytes."""
    body = form(
        part("a", b"first", "one.txt", b"Content-Type: text/plain"),
        part("field", b"value"),
        part("b", bytes(range(256)), "two.bin", b"Content-Type: application/octet-stream"),
    )
    assert await read(body) == [
        ("a", "one.txt", "text/plain", b"first"),
        ("field", None, None, b"value"),
        ("b", "two.bin", "application/octet-stream", bytes(range(256))),
    ]


async def test_parts_come_in_any_order():
    """The reader keeps the order of the body, whatever it is."""
    parts = [part("x", b"1"), part("y", b"2", "y"), part("z", b"3")]
    for seed in range(6):
        random.Random(seed).shuffle(parts)
        expected = [one.partition(b'name="')[2][:1].decode() for one in parts]
        assert [name for name, _ in await names(form(*parts))] == expected


async def test_an_empty_file_is_a_file():
    """A part without a byte is there, with no bytes."""
    assert await read(form(part("file", b"", "empty"))) == [("file", "empty", None, b"")]


async def test_a_form_without_parts_is_empty():
    """A body that only closes its boundary has no parts."""
    assert await read(form()) == []


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\r\n--" + BOUNDARY[:-1], id="boundary-cut-short"),
        pytest.param(b"\r\n-" + BOUNDARY + b"\r\n", id="one-dash-short"),
        pytest.param(b"--" + BOUNDARY + b"\r\n", id="not-after-a-line-end"),
        pytest.param(b"x--" + BOUNDARY + b"--", id="closing-not-after-a-line-end"),
        pytest.param(b"\n--" + BOUNDARY + b"\n", id="bare-line-feeds"),
        pytest.param(b"\r\n--" + BOUNDARY + b"X\r\n", id="boundary-goes-on"),
        pytest.param(b"\r\n--" + BOUNDARY + b"-\r\n", id="closed-by-one-dash"),
        pytest.param(b"\r\n--" + BOUNDARY + b"-x--", id="one-dash-and-more"),
        pytest.param(b"\r\n--" + BOUNDARY + b"\rx", id="bare-carriage-return"),
        pytest.param((b"\r\n--" + BOUNDARY[:-1]) * 20, id="many-near-misses"),
    ],
)
async def test_bytes_that_resemble_the_boundary_are_data(data):
    """Only a whole boundary on a line of its own ends a part, wherever the body is cut."""
    body = form(part("file", data, "f"), part("after", b"x"))
    expected = [("file", "f", None, data), ("after", None, None, b"x")]
    assert await read(body) == expected
    for chunks in every_split(body):
        assert await read(chunks) == expected


@pytest.mark.parametrize("data", [b"\r\n" * 500, b"\r" * 500, b"\n" * 500, b"\r\r\n" * 300, b"\r\n-" * 300, b"-" * 500])
async def test_storms_of_line_ends_are_data(data):
    """Line ends and dashes in any number go through, wherever the body is cut."""
    body = form(part("file", data, "f"))
    expected = [("file", "f", None, data)]
    assert await read(body) == expected
    assert await read([body[at : at + 1] for at in range(len(body))]) == expected
    assert await read([body[at : at + 3] for at in range(0, len(body), 3)]) == expected


@pytest.mark.parametrize("boundary", [b"x", b"-", b"--", b"a" * 70, b"0'()+_,-./:=?"])
async def test_every_lawful_boundary_is_read(boundary):
    """Boundaries of 1 to 70 characters are read, quoted or not."""
    body = form(part("a", b"\r\n--data--\r\n", "f"), boundary=boundary)
    expected = [("a", "f", None, b"\r\n--data--\r\n")]
    if boundary not in {b"-", b"--"}:  # with these, the data itself would hold the boundary
        assert await read(body, f'multipart/form-data; boundary="{boundary.decode()}"') == expected
    body = form(part("a", b"data", "f"), boundary=boundary)
    assert await read(body, f'Multipart/Form-Data; charset=utf-8; boundary="{boundary.decode()}"') == [
        ("a", "f", None, b"data")
    ]


# Names


@pytest.mark.parametrize(
    "name", ["plain.txt", "père noël.pdf", "日本語.txt", "ملف.pdf", "🧳🗂️.zip", "a;b=c.txt", "it's.txt", "a=b; x.txt"]
)
async def test_names_in_any_script_come_whole(name):
    """Names are UTF-8, and may hold semicolons and equals signs."""
    assert await names(form(part(name, b"", name))) == [(name, name)]


async def test_the_escapes_of_browsers_are_undone():
    """%22, %0D and %0A are the quote and the line ends, in either case; any other percent sign stays."""
    assert await names(form(part("a%22b", b"", "c%22d%0d%0A100%25.txt"))) == [('a"b', 'c"d\r\n100%25.txt')]


async def test_the_escapes_of_older_curl_are_undone():
    """A quote and a backslash may be escaped by a backslash."""
    assert await names(form(part("file", b"", rb"a\"b.txt"))) == [("file", 'a"b.txt')]


async def test_extended_parameters_are_ignored():
    """`filename*` and `name*0` have no meaning in a form (RFC 7578, 4.2), so they cannot smuggle in another name."""
    header = b'Content-Disposition: form-data; name="a"; filename="b"; filename*=UTF-8\'\'evil; name*0="evil"'
    assert await names(form(raw_part(header))) == [("a", "b")]


@pytest.mark.parametrize(
    "header",
    [
        b'Content-Disposition: form-data; name="a"; name="b"; filename="f"',
        b'Content-Disposition: form-data; name="a"; filename="f"; filename="g"',
        b'Content-Disposition: form-data; name="a"; filename="f"; FILENAME="g"',
    ],
)
async def test_a_parameter_given_twice_is_refused(header):
    """Two names for one thing are refused, because two readers could choose differently."""
    assert "more than one" in await refused(form(raw_part(header)))


@pytest.mark.parametrize("rest", [b'"', b'"\\"', b'"' + b'\\"' * 4000])
async def test_a_quote_that_does_not_end_is_refused(rest):
    """What stands behind it would be a part of a name to one reader, and a parameter to another."""
    header = b'Content-Disposition: form-data; name="a"; filename="f"; x=' + rest
    assert "quote that does not end" in await refused(form(raw_part(header)))


@pytest.mark.parametrize("escaped", [b"\xff\xfe", b"caf\xe9.txt", b"\xed\xa0\x80"])
async def test_a_name_that_is_not_utf8_is_refused(escaped):
    """Names in another encoding are refused, and which name it is is said."""
    assert "filename of a part is not UTF-8" in await refused(form(part("a", b"", escaped)))
    assert "name of a part is not UTF-8" in await refused(form(part(escaped, b"", "f")))


async def test_a_long_field_name_is_refused():
    """The name of a part has a limit; the last length below it is taken."""
    assert await names(form(part("n" * MAX_NAME))) == [("n" * MAX_NAME, None)]
    assert f"{MAX_NAME} characters" in await refused(form(part("n" * (MAX_NAME + 1))))


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="no-headers"),
        pytest.param([b"Content-Type: text/plain"], id="no-disposition"),
        pytest.param([b"Content-Disposition: form-data"], id="no-name"),
        pytest.param([b'Content-Disposition: form-data; filename="f"'], id="only-a-filename"),
        pytest.param([b'Content-Disposition: attachment; name="a"'], id="attachment"),
        pytest.param([b"Content-Disposition:"], id="empty"),
        pytest.param([b'Content-Disposition: form-data; name*="a"'], id="only-an-extended-name"),
    ],
)
async def test_a_part_without_a_name_is_refused(headers):
    """Each part says that it is form-data, and its name."""
    assert "name" in await refused(form(raw_part(*headers, data=b"x")))


async def test_a_name_used_twice_is_refused():
    """Two parts of one name are refused, and the name is said."""
    assert "'a'" in await refused(form(part("a", b"1"), part("b", b"2"), part("a", b"3")))


async def test_a_header_given_twice_is_refused():
    """Two Content-Dispositions in a part are refused, in any case of letters."""
    body = form(raw_part(b'Content-Disposition: form-data; name="a"', b'CONTENT-disposition: form-data; name="b"'))
    assert "more than one content-disposition" in await refused(body)


# What a body must not be


async def test_a_body_that_ends_early_is_refused_wherever_it_ends():
    """A body cut at any byte before the end of its closing boundary is refused; after that it is whole."""
    body = form(part("a", b"1\r\n2", "a"), part("b", b"x"))
    whole = len(body.removesuffix(b"\r\n"))
    for length in range(whole):
        assert "ends before its" in await refused(body[:length]), length
    for length in range(whole, len(body) + 1):
        assert len(await read(body[:length])) == 2


async def test_a_connection_that_ends_in_the_body_is_a_body_that_ends_early():
    """A client that leaves before the promised length was not understood, even after the closing boundary."""
    body = form(part("a", b"1"))
    assert "before its closing boundary" in await refused(body[:-8], gone=True)
    assert "before its Content-Length" in await refused(body, gone=True)


async def test_another_boundary_is_refused():
    """A body that is written with another boundary than its type names is refused."""
    body = form(part("a", b"x" * 2 * MARGIN), boundary=b"other")
    assert "does not begin with the boundary" in await refused(body)
    assert "before its first boundary" in await refused(form(part("a", b"x"), boundary=b"other"))


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/form-data; boundary=" + "a" * 71,
        "multipart/form-data; charset=utf-8",
    ],
)
async def test_a_type_without_a_lawful_boundary_is_refused(content_type):
    """The type must name a boundary of 1 to 70 characters."""
    assert "boundary of 1 to 70" in await refused(form(), content_type)


@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/mixed; boundary=x", "multipart/form-datax"])
async def test_another_media_type_is_refused(content_type):
    """Only multipart/form-data is read."""
    assert "multipart/form-data" in await refused(form(), content_type, Code.UNSUPPORTED_MEDIA_TYPE)


async def test_a_short_preamble_is_skipped():
    """Up to a KiB before the first boundary is skipped, wherever the body is cut."""
    for preamble in (b"\r\n", b"to be ignored\r\n", b"--" + BOUNDARY[:-2] + b"\r\n", b"x" * (MARGIN - 2) + b"\r\n"):
        body = preamble + form(part("a", b"1"))
        for chunks in ([body], [body[at : at + 1] for at in range(len(body))]):
            assert await read(chunks) == [("a", None, None, b"1")]


async def test_a_long_preamble_is_refused():
    """More than a KiB before the first boundary is refused, as one chunk or as many."""
    body = b"x" * (MARGIN - 1) + b"\r\n" + form(part("a", b"1"))
    for chunks in ([body], [body[at : at + 1] for at in range(len(body))]):
        assert "does not begin with the boundary" in await refused(chunks)


async def test_an_endless_preamble_is_not_read_to_its_end():
    """The refusal comes while the preamble still goes on."""
    given_out = 0

    def endless():
        nonlocal given_out
        while given_out < 100:
            given_out += 1
            yield b"x" * 100

    await refused(endless())
    assert given_out * 100 <= MARGIN + 200


async def test_an_epilogue_is_dropped():
    """What follows the closing boundary is no part, even where it looks like one."""
    body = form(part("a", b"1")) + form(part("b", b"2"))
    for chunks in every_split(body):
        assert await read(chunks) == [("a", None, None, b"1")]


async def test_an_endless_epilogue_is_not_read_to_its_end():
    """A form that is whole is not held up by what follows it."""
    given_out = 0

    def endless():
        nonlocal given_out
        yield form(part("a", b"1"))
        while given_out < 100:
            given_out += 1
            yield b"x" * 100

    assert await read(endless()) == [("a", None, None, b"1")]
    assert given_out * 100 <= MARGIN + 200


async def test_parts_that_are_too_many_are_refused_where_they_begin():
    """As many as there may be files, and two fields, are read; of the others none is parsed, however many there are."""
    names = [f"p{number}" for number in range(FILES + 2)]
    assert [name for name, *_ in await read(form(*map(part, names)))] == names
    body = form(*map(part, names), part("one-more"))
    for chunks in every_split(body):
        detail = await refused(chunks, code=Code.PAYLOAD_TOO_LARGE)
        assert "SATCHEL_MAX_FILES_PER_REQUEST" in detail

    async def whole():
        yield form(*map(part, names)).removesuffix(b"--\r\n") + b"\r\n\r\n\r\n--%s" % BOUNDARY * 10_000

    reader = reader_of(whole())
    await anext(aiter(reader))
    assert len(reader._events) < 3 * (FILES + 2), "what nobody will look at was parsed"


async def test_the_first_mistake_is_told_wherever_the_body_is_cut():
    """A later one in the same chunk does not come before it."""
    body = form(raw_part(b"X: no-name"), *(part(f"p{number}") for number in range(FILES + 2)))
    for chunks in every_split(body):
        assert "with a name" in await refused(chunks)


async def test_too_many_headers_are_refused():
    """A part may have eight headers, and not nine."""
    headers = [b"X-%d: y" % number for number in range(MAX_PART_HEADERS)]
    assert await names(form(part("a", b"", None, *headers[1:]))) == [("a", None)]
    await refused(form(part("a", b"", None, *headers)))


async def test_a_huge_header_is_refused():
    """A header of a part has a limit, for its name and its value."""
    assert await names(form(part("a", b"", None, b"X-Y: " + b"z" * (MAX_PART_HEADER // 2)))) == [("a", None)]
    await refused(form(part("a", b"", None, b"X-Y: " + b"z" * MAX_PART_HEADER)))
    await refused(form(part("a", b"", None, b"X" * (MAX_PART_HEADER + 1) + b": z")))


async def test_an_endless_header_is_not_read_to_its_end():
    """The refusal comes while the header still goes on, so that it cannot fill the memory."""
    given_out = 0

    def endless():
        nonlocal given_out
        yield b"--" + BOUNDARY + b"\r\nX: "
        while given_out < 1000:
            given_out += 1
            yield b"x" * 1000

    await refused(endless())
    assert given_out * 1000 <= MAX_PART_HEADER + 2000


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"--" + BOUNDARY + b"X\r\n\r\n", id="first-boundary-goes-on"),
        pytest.param(b"--" + BOUNDARY + b"-X", id="first-boundary-half-closed"),
        pytest.param(b"--" + BOUNDARY + b"\rX", id="first-boundary-bare-return"),
        pytest.param(b"--" + BOUNDARY + b"\r\nno colon\r\n\r\n", id="header-without-colon"),
        pytest.param(b"--" + BOUNDARY + b"\r\n: value\r\n\r\n", id="header-without-name"),
        pytest.param(b"--" + BOUNDARY + b"\r\n X: value\r\n\r\n", id="header-that-begins-with-a-space"),
        pytest.param(b"--" + BOUNDARY + b"\r\nX\xff: value\r\n\r\n", id="header-name-not-a-token"),
        pytest.param(b"--" + BOUNDARY + b"\r\nX: value\rX\r\n\r\n", id="bare-return-in-header"),
        pytest.param(b"--" + BOUNDARY + b"\r\n\rX", id="bare-return-for-blank-line"),
    ],
)
async def test_malformed_boundaries_and_headers_are_refused(body):
    """What no browser or curl sends is refused, as one chunk or as many."""
    assert "malformed" in await refused(body)
    assert "malformed" in await refused([body[at : at + 1] for at in range(len(body))])


async def test_what_a_caller_leaves_of_a_part_is_skipped():
    """A part that is not read to its end does not spill into the next one."""
    body = form(part("a", b"1" * 100, "a"), part("b", b"2"))

    async def chunks():
        for at in range(0, len(body), 10):
            yield body[at : at + 10]

    seen = [one.name async for one in reader_of(chunks())]
    assert seen == ["a", "b"]


async def test_a_field_longer_than_its_limit_is_refused_while_it_comes():
    """The text of a field is read up to its limit, and no further; the limit itself is taken."""

    async def text(value):
        async def chunks():
            yield form(part("field", value))

        [value] = [await one.text(10, "SATCHEL_SOME_LIMIT") async for one in reader_of(chunks())]
        return value

    assert await text(b"x" * 10) == "x" * 10
    assert await text("päivää".encode()) == "päivää"
    with pytest.raises(SatchelError, match="SATCHEL_SOME_LIMIT") as raised:
        await text(b"x" * 11)
    assert raised.value.code is Code.PAYLOAD_TOO_LARGE
    with pytest.raises(SatchelError, match="'field' is not UTF-8") as raised:
        await text(b"\xff")
    assert raised.value.code is Code.BAD_MULTIPART


# Independence from how the body was cut

_text = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'), min_size=1, max_size=20)
_name = _text.filter(lambda name: "%" not in name)
_pieces = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b"-", b"--", b"--" + BOUNDARY, b"\r\n--" + BOUNDARY, BOUNDARY[:-1], BOUNDARY, b"x", b" "]
)
_data = st.one_of(st.binary(max_size=60), st.lists(_pieces, max_size=8).map(b"".join))
_forms = st.dictionaries(_name, st.tuples(_data, st.none() | _name), max_size=4)


def _holds_boundary(data):
    return b"\r\n--" + BOUNDARY in b"\r\n" + data + b"\r\n--"


def _cuts(length):
    return st.lists(st.integers(0, length), max_size=12).map(sorted)


def _cut(body, places):
    edges = [0, *places, len(body)]
    return [body[start:end] for start, end in pairwise(edges) if start < end]


@settings(max_examples=300)
@given(st.data())
async def test_generated_forms_come_through_whole_however_they_are_cut(data):
    """Every form comes out as it went in, whatever its names, bytes and cuts."""
    parts = data.draw(_forms)
    parts = {name: value for name, value in parts.items() if not _holds_boundary(value[0])}
    body = form(*(part(name, value, filename) for name, (value, filename) in parts.items()))
    expected = [(name, filename, None, value) for name, (value, filename) in parts.items()]
    assert await read(body) == expected
    assert await read(_cut(body, data.draw(_cuts(len(body))))) == expected


_SEED = form(part("a", b"1\r\n2", "a.txt", b"Content-Type: text/plain"), part("b", b"xyz"))


@st.composite
def _mutated(draw):
    """A form with bytes removed, put in and repeated at any place."""
    body = draw(st.sampled_from([_SEED, form(part("a", b"")), form(), b"\r\n" + _SEED + b"epilogue"]))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.integers(0, 12)))
        change = draw(st.one_of(st.just(b""), _pieces, st.binary(max_size=4), st.just(body[start:end] * 2)))
        body = body[:start] + change + body[end:]
    return body


@settings(max_examples=1000)
@given(_mutated(), st.data())
async def test_any_body_gives_the_same_result_however_it_is_cut(body, data):
    """Damaged or not, a body gives the same parts or the same failure whole, in pieces, and byte by byte."""
    whole = await outcome(body)
    assert await outcome([body[at : at + 1] for at in range(len(body))]) == whole
    assert await outcome(_cut(body, data.draw(_cuts(len(body))))) == whole


async def test_a_form_gives_the_same_result_for_each_place_where_it_is_cut():
    """One cut at each place changes nothing."""
    whole = await outcome(_SEED)
    assert isinstance(whole, list)
    for chunks in every_split(_SEED):
        assert await outcome(chunks) == whole
