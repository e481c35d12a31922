"""Listings: every order, every filter, and pages that hold while files come and go."""

import base64
import json
import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, make_url, update

from satchel.errors import Code, SatchelError
from satchel.metadata import FileFilter, FileKind, FileOrder, blocks, conditions, cursors, grams, listing
from satchel.metadata.clock import to_microseconds
from satchel.metadata.names import fold, natural_key
from satchel.metadata.tables import files

ALL = FileFilter()
NONE = timedelta(0)
every_order = pytest.mark.parametrize("order", FileOrder, ids=lambda order: order.name)

# How a page is found: at once, because all files lie within a stretch; by gathering what a filter lets through; or by
# walking on, because all filters let too many through. In few blocks a search is not gathered at all.
WAYS = {
    "stretch": [],
    "gather": [(listing, "STRETCH", 1), (listing, "FEW_BLOCKS", 1)],
    "walk": [(listing, "STRETCH", 1), (conditions, "FEW", 0), (listing, "LONG_STRETCH", 3)],
}
every_way = pytest.mark.parametrize("way", WAYS, indirect=True)


@pytest.fixture
def way(request, monkeypatch):
    """Make few files behave as a million would."""
    for module, name, value in WAYS[request.param]:
        monkeypatch.setattr(module, name, value)


KEYS = {
    "UPLOAD_DATE": lambda record: (record.upload_date, record.id),
    "FILENAME": lambda record: (natural_key(record.filename), record.id),
    "SIZE": lambda record: (record.size, record.id),
}


def arranged(records, order):
    """The records as the order should have them."""
    key, _, direction = order.name.rpartition("_")
    return sorted(records, key=KEYS[key], reverse=direction == "DESC")


async def many(helper, count=40):
    """Files with many ties: few sizes, few names, and one date per batch."""
    randomness = random.Random(7)
    records = []
    for start in range(0, count, 10):
        batch = [
            await helper.prepare(f"{index}" * randomness.randint(1, 3), f"img{randomness.randint(1, 12)}.PNG")
            for index in range(start, start + 10)
        ]
        records += [published.record for published in await helper.publish(*batch)]
    return records


async def pages(metadata, first, where, order):
    after, has_next = None, True
    while has_next:
        page = await metadata.list_files(first, after, where, order)
        assert len(page.records) == len(page.cursors)
        yield page
        after, has_next = page.cursors[-1] if page.cursors else after, page.has_next


@every_order
@pytest.mark.parametrize("first", [7, 40])
async def test_pages_give_each_file_once_and_in_order(metadata, helper, order, first):
    """Going through the pages gives all files, none twice, in the order asked for."""
    records = await many(helper)
    listed = [record async for page in pages(metadata, first, ALL, order) for record in page.records]
    assert listed == arranged(records, order)


@every_order
async def test_pages_hold_while_files_come_and_go(metadata, helper, order):
    """Files that are added or deleted in between neither repeat nor hide any other."""
    records = await many(helper)
    doomed = set(random.Random(3).sample([record.id for record in records], 15))
    listed, number = [], 0
    async for page in pages(metadata, 7, ALL, order):
        listed += page.records
        number += 1
        await helper.upload(f"new {number}", f"img{number}.png")
        if doomed:
            # The last one of the page too: a cursor does not need its file.
            await metadata.delete_files([doomed.pop(), *(doomed & {page.records[-1].id})], NONE)
    ids = [record.id for record in listed]
    assert len(ids) == len(set(ids))
    assert [record.id for record in arranged(listed, order)] == ids
    kept = {record.id for record in records if await metadata.file(record.id)}
    assert kept <= set(ids)


async def test_an_empty_listing_is_a_page(metadata):
    """Without files there is an empty page and nothing after it."""
    page = await metadata.list_files(10, None, ALL, FileOrder.SIZE_ASC)
    assert (list(page.records), list(page.cursors), page.has_next) == ([], [], False)


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("report", ["Quarterly REPORT.pdf"]),
        ("RLY rep", ["Quarterly REPORT.pdf"]),
        ("100%", ["100% cotton.txt"]),
        ("%", ["100% cotton.txt"]),
        ("_", ["snake_case.py"]),
        ("e_c", ["snake_case.py"]),
        ("eXc", []),
        ("/", ["a/b"]),
        ("\\", ["back\\slash"]),
        ("STRASSE", ["Straße.jpg"]),
        ("straße", ["Straße.jpg"]),
        ("istanbul", ["İSTANBUL.png"]),
        ("İstanbul", ["İSTANBUL.png"]),
        ("οδος", ["ΟΔΟΣ.txt"]),
        ("отчёт", ["ОТЧЁТ за год.docx"]),
        ("京", ["東京タワー.jpg"]),
        ("ﾀﾜｰ", ["東京タワー.jpg"]),
        ("🎒", ["bag 🎒.zip"]),
        ("'; --", []),
        ("x" * 1_000, []),
    ],
)
async def test_search_finds_a_substring_in_any_script(metadata, helper, term, found):
    """Search goes by letters, not by case, and has no wildcards."""
    names = [
        "Quarterly REPORT.pdf",
        "100% cotton.txt",
        "snake_case.py",
        "a/b",
        "back\\slash",
        "Straße.jpg",
        "İSTANBUL.png",
        "ΟΔΟΣ.txt",
        "ОТЧЁТ за год.docx",
        "東京タワー.jpg",
        "bag 🎒.zip",
    ]
    await helper.publish(*[await helper.prepare(name, name) for name in names])
    page = await metadata.list_files(20, None, FileFilter(search=term), FileOrder.UPLOAD_DATE_ASC)
    assert [record.filename for record in page.records] == found
    assert await metadata.count_files(FileFilter(search=term)) == len(found)


@every_way
async def test_filters_narrow_a_listing(metadata, helper, way):
    """Each filter by itself, and all of them together."""
    image = {"kind": FileKind.IMAGE, "content_type": "image/png"}
    small = await helper.upload("1", "small.png", **image)
    large = await helper.upload("333", "large.png", **image)
    twin = await helper.upload("333", "twin.jpg", kind=FileKind.IMAGE, content_type="image/jpeg")
    text = await helper.upload("22", "text.txt")
    everything = [small, large, twin, text]
    moments = [small.upload_date + timedelta(hours=hours) for hours in range(4)]
    await helper.write(
        *(
            update(files).where(files.c.id == record.id).values(upload_date=moment)
            for record, moment in zip(everything, moments, strict=True)
        )
    )
    expected = {
        FileFilter(): everything,
        FileFilter(search=""): everything,
        FileFilter(kind=FileKind.IMAGE): [small, large, twin],
        FileFilter(kind=FileKind.PDF): [],
        FileFilter(content_type="image/png"): [small, large],
        FileFilter(sha256=large.sha256): [large, twin],
        FileFilter(sha256="0" * 64): [],
        FileFilter(min_size=2): [large, twin, text],
        FileFilter(max_size=2): [small, text],
        FileFilter(min_size=2, max_size=2): [text],
        FileFilter(min_size=-(2**70), max_size=2**70): everything,
        FileFilter(max_size=-1): [],
        FileFilter(uploaded_after=moments[1]): [large, twin, text],
        FileFilter(uploaded_before=moments[1]): [small],
        FileFilter(uploaded_after=moments[1], uploaded_before=moments[3]): [large, twin],
        FileFilter(
            search="LARGE",
            kind=FileKind.IMAGE,
            content_type="image/png",
            sha256=large.sha256,
            min_size=3,
            max_size=3,
            uploaded_after=moments[0],
            uploaded_before=moments[2],
        ): [large],
    }
    for where, records in expected.items():
        for order in FileOrder:
            ids = {record.id for record in (await metadata.list_files(10, None, where, order)).records}
            assert ids == {record.id for record in records}, where
        assert await metadata.count_files(where) == len(records)
        kinds = await metadata.count_kinds(where)
        assert list(kinds) == list(FileKind)
        assert (kinds[where.kind] if where.kind else sum(kinds.values())) == len(records)


@every_way
@every_order
async def test_filtered_pages_give_each_file_once(metadata, helper, order, way):
    """Paging works the same behind a filter."""
    records = await many(helper)
    where = FileFilter(search="MG1", kind=FileKind.TEXT, min_size=2)
    listed = [record async for page in pages(metadata, 4, where, order) for record in page.records]
    assert listed == arranged([r for r in records if "img1" in r.filename and r.size >= 2], order)
    where = FileFilter(sha256=records[0].sha256)
    listed = [record async for page in pages(metadata, 1, where, order) for record in page.records]
    assert listed == arranged([r for r in records if r.sha256 == records[0].sha256], order)


@pytest.mark.parametrize("text", ["nul\0", "half a pair \ud800"])
@pytest.mark.parametrize("member", ["search", "content_type", "sha256"])
async def test_filters_take_only_text(metadata, fails, member, text):
    """What no database can hold is refused, not an accident."""
    where = replace(ALL, **{member: text})
    with fails(Code.BAD_REQUEST):
        await metadata.list_files(10, None, where, FileOrder.SIZE_ASC)
    with fails(Code.BAD_REQUEST):
        await metadata.count_files(where)


@every_order
async def test_a_cursor_belongs_to_its_order(metadata, helper, fails, order):
    """A cursor of one listing is BAD_REQUEST in any other order."""
    await helper.upload()
    cursor = (await metadata.list_files(1, None, ALL, order)).cursors[0]
    for other in FileOrder:
        if other is order:
            assert list((await metadata.list_files(1, cursor, ALL, other)).records) == []
        else:
            with fails(Code.BAD_REQUEST):
                await metadata.list_files(1, cursor, ALL, other)


ID = "01a20350-a7ed-7192-8031-84e6b3945530"


def forged(value) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "?",
        "é",
        "\ud800",
        "AAAA",
        "A" * 10_000,
        forged(None),
        forged({}),
        forged([]),
        forged(["SIZE_ASC"]),
        forged(["SIZE_ASC", 1]),
        forged(["SIZE_ASC", 1, "no id"]),
        forged(["SIZE_ASC", "1", ID]),
        forged(["SIZE_ASC", True, ID]),
        forged(["SIZE_ASC", 1.0, ID]),
        forged(["SIZE_ASC", None, ID]),
        forged(["SIZE_ASC", 2**63, ID]),
        forged(["SIZE_ASC", -(2**63), ID]),
        forged(["SIZE_ASC", 10**30, ID]),
        forged(["SIZE_ASC", 1, ID, 1]),
        forged(["SIZE_ASC", 1, ID]) + "=",
        forged(["SIZE_ASC", 1, ID]) + "\n",
        forged([["SIZE_ASC"], 1, ID]),
        forged([[[[[[]]]]]] * 3),
    ],
)
async def test_a_malformed_cursor_is_a_bad_request(metadata, fails, cursor):
    """Whatever is not a cursor of ours is refused, and nothing else happens."""
    with fails(Code.BAD_REQUEST):
        await metadata.list_files(1, cursor, ALL, FileOrder.SIZE_ASC)


@pytest.mark.parametrize(
    ("order", "place"),
    [
        (FileOrder.UPLOAD_DATE_ASC, 2**63 - 1),
        (FileOrder.UPLOAD_DATE_ASC, "now"),
        (FileOrder.FILENAME_ASC, 1),
        (FileOrder.FILENAME_ASC, "nul\0"),
    ],
)
async def test_a_forged_place_is_a_bad_request(metadata, fails, order, place):
    """A well-formed cursor with a place that its order does not have is refused."""
    with fails(Code.BAD_REQUEST):
        await metadata.list_files(1, cursors.pack(order.value, place, ID), ALL, order)


@given(st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_unpacking_anything_is_a_bad_request(text):
    """No text makes the cursor reader fail in another way."""
    with pytest.raises(SatchelError) as raised:
        cursors.unpack(text, str, int, str)
    assert raised.value.code is Code.BAD_REQUEST


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")) | st.integers(-(2**63) + 1, 2**63 - 1)))
def test_cursors_hold_their_values(values):
    """What was packed comes back the same, in text that is safe in a URL."""
    cursor = cursors.pack(*values)
    assert cursors.unpack(cursor, *map(type, values)) == values
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


# The way to a page


@pytest.fixture
def statements(metadata):
    """The statements that are run to read, each with its parameters."""
    engine, seen = metadata._database.reader._engine.sync_engine, []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        if statement.startswith(("SELECT", "WITH")):
            seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
def plan(metadata, statements, database_url):
    """How SQLite finds the files of a page, in as many statements as it takes: lines of query plans."""

    async def explain(*arguments):
        statements.clear()
        await metadata.list_files(*arguments)
        with closing(sqlite3.connect(make_url(database_url).database)) as connection:
            return [row[3] for s, p in statements for row in connection.execute(f"EXPLAIN QUERY PLAN {s}", p)]

    return explain


on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

COLUMNS = {"UPLOAD_DATE": "upload_date", "FILENAME": "sort_key", "SIZE": "size"}
FILTERS = {
    "all": ALL,
    "search": FileFilter(search="x"),
    "kind": FileFilter(kind=FileKind.IMAGE),
    "kind+search": FileFilter(kind=FileKind.IMAGE, search="x"),
    "type": FileFilter(content_type="a/b"),
    "size": FileFilter(min_size=1, max_size=9),
    "kind+size": FileFilter(kind=FileKind.IMAGE, min_size=1, max_size=9),
    "date": FileFilter(
        uploaded_after=datetime(2020, 1, 1, tzinfo=UTC), uploaded_before=datetime(2030, 1, 1, tzinfo=UTC)
    ),
}


@on_sqlite
@every_order
@pytest.mark.parametrize("name", FILTERS)
async def test_every_order_is_walked_along_its_index(metadata, helper, plan, order, name):
    """A page of any order begins in an index at its cursor, and reads no row before it is known to be on the page."""
    record = await helper.upload()
    key, _, _ = order.name.rpartition("_")
    place = {"UPLOAD_DATE": to_microseconds(record.upload_date), "FILENAME": "a", "SIZE": 5}[key]
    group = {"kind": "kind_", "type": "content_type_"}.get(name.partition("+")[0], "")
    for after in (None, cursors.pack(order.value, place, str(record.id))):
        steps = await plan(50, after, FILTERS[name], order)
        first = next(step for step in steps if " files " in step)
        assert f"USING COVERING INDEX files_{group}{COLUMNS[key]}_id_" in first
        if after:
            assert f"({COLUMNS[key]},id)" in first
            assert "SEARCH" in first
        assert not any(step.startswith("SCAN files") and "COVERING" not in step for step in steps)


@on_sqlite
@every_order
async def test_copies_of_a_file_have_an_index(metadata, helper, plan, order):
    """The files of one hash are found through their blob, or through its size."""
    record = await helper.upload()
    steps = await plan(50, None, FileFilter(sha256=record.sha256), order)
    first = next(step for step in steps if " files " in step)
    key, _, _ = order.name.rpartition("_")
    assert ("(size=?)" if key == "SIZE" else f"files_blob_id_{COLUMNS[key]}_id_idx (blob_id=?)") in first


async def test_what_is_common_is_found_at_once(metadata, helper, statements, monkeypatch):
    """Where the first stretch of the order fills the page, nothing else is asked."""
    monkeypatch.setattr(listing, "STRETCH", 20)
    await many(helper)
    statements.clear()
    page = await metadata.list_files(5, None, FileFilter(search="img"), FileOrder.FILENAME_ASC)
    assert (len(page.records), len(statements)) == (5, 1)


async def test_a_listing_within_a_stretch_is_over_with_it(metadata, helper, statements):
    """The search's index is not asked for more files than there are."""
    await many(helper)
    statements.clear()
    assert (await metadata.list_files(5, None, FileFilter(search="nothing"), FileOrder.SIZE_ASC)).records == []
    assert len(statements) == 2
    assert not any("files_gram" in statement for statement, _ in statements)


@pytest.mark.parametrize("way", ["gather"], indirect=True)
async def test_a_search_is_gathered_by_the_rarest_parts_of_its_term(metadata, helper, statements, way):
    """Those that few of the newest names have come first. Here all parts are there, but nowhere the whole term."""
    term = "abcdefgh xyz"
    for index in range(8):
        await helper.upload(f"{index}", "gh xyz" if index == 5 else "abcdefgh x")
    statements.clear()
    page = await metadata.list_files(5, None, FileFilter(search=term), FileOrder.FILENAME_ASC)
    assert page.records == []
    [gathered] = [values for statement, values in statements if "candidates" in statement]
    [parts] = [value for value in gathered if isinstance(value, str) and "xyz" in value and value != term]
    assert parts.index(" xy") < parts.index("xyz") < parts.index("abc")


# The index behind the search

LETTERS = [
    "a",
    "b",
    "ab",
    "abc",
    "1",
    " ",
    ".",
    "%",
    "_",
    "\\",
    "/",
    "'",
    '"',
    "*",
    ":",
    "&",
    "(",
    "京",
    "東",
    "タ",
    "é",
    "e\u0301",
]
LETTERS += ["ж", "🎒", "ß", "İ", "\u0301", "\x01", "\U0010ffff", "ﷺ", "AND", "NOT"]


def scribble(randomness, longest):
    return "".join(randomness.choices(LETTERS, k=randomness.randint(1, longest)))


@every_way
async def test_search_finds_what_a_plain_comparison_finds(metadata, helper, way):
    """Any term of any letters and length finds the names that hold it, whichever index it goes through."""
    randomness = random.Random(5)
    names = [scribble(randomness, 12) for _ in range(120)]
    await helper.publish(*[await helper.prepare("x", name) for name in names])
    terms = {*LETTERS, *(scribble(randomness, 4) for _ in range(60))}
    for name in names[:60]:
        start = randomness.randrange(len(name))
        terms.add(name[start : start + randomness.randint(1, 9)])
    for term in terms:
        where, expected = FileFilter(search=term), sorted(name for name in names if fold(term) in fold(name))
        page = await metadata.list_files(200, None, where, FileOrder.FILENAME_ASC)
        assert sorted(record.filename for record in page.records) == expected, term
        assert await metadata.count_files(where) == len(expected)


@every_way
async def test_search_goes_by_the_present_names(metadata, helper, way):
    """Renaming and deleting are seen by the search, of the same name twice too."""
    first, twin, other = [await helper.upload(name, 'it\'s "old".txt') for name in ("1", "2", "3")]
    await metadata.rename_file(first.id, "new %.txt")
    await metadata.delete_files([other.id, other.id], NONE)

    async def found(term):
        page = await metadata.list_files(9, None, FileFilter(search=term), FileOrder.UPLOAD_DATE_ASC)
        return [record.id for record in page.records]

    assert await found('s "old') == await found("d") == [twin.id]
    assert await found("new %") == await found("%") == [first.id]
    await metadata.rename_file(twin.id, "new %.txt")
    assert await found('s "old') == []
    assert await found("new") == [first.id, twin.id]
    await metadata.delete_files([first.id, twin.id], NONE)
    assert await found("new") == await found("n") == []


@given(st.text(), st.text(), st.text(min_size=1))
def test_a_name_that_holds_a_term_has_its_grams(before, after, term):
    """The index may find too much, but misses nothing."""
    name = f"{before}{term}{after}\x01\x01"
    grams_of_name = {name[place : place + 3] for place in range(len(name) - 2)}
    wanted = grams.of_term(term)
    if len(term) < grams.SIZE:
        assert wanted == [term]
        assert any(gram.startswith(term) for gram in grams_of_name)
    else:
        assert set(wanted) <= grams_of_name
        assert 1 <= len(wanted) <= grams.MAX_GRAMS
        assert {len(gram) for gram in wanted} == {grams.SIZE}
    # What the blocks are asked for is written down of every name.
    assert set(grams.of_term(term, blocks.MAX_GRAMS, apart=1)) <= grams.of_name(name)


@pytest.mark.parametrize("letters", ["ﷺ", "㌀㌄㌖㌠㌧㌫㌶㍇㌻㍍", "ﷺ㌀㍍", "é̂", "ẛ̣", "😀", "W", "1"], ids=ascii)
async def test_names_of_any_length_have_a_place_in_every_index(metadata, helper, letters):
    """The letters that fold to the most take no more room than an index has."""
    size = len(letters[0].encode())
    randomness = random.Random(1)
    name = "".join(randomness.choices(letters, k=255 // size))
    record = await helper.upload(filename=name)
    for order in FileOrder:
        page = await metadata.list_files(1, None, FileFilter(search=name), order)
        assert list(page.records) == [record]
