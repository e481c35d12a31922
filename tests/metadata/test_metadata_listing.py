"""Listings: every order, every filter, and pages that hold while files come and go."""

import base64
import json
import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, make_url, update

from satchel.errors import Code, SatchelError
from satchel.metadata import FileFilter, FileKind, FileOrder, cursors
from satchel.metadata.clock import to_microseconds
from satchel.metadata.names import natural_key
from satchel.metadata.tables import files

ALL = FileFilter()
NONE = timedelta(0)
every_order = pytest.mark.parametrize("order", FileOrder, ids=lambda order: order.name)

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
        ("x" * 10_000, []),
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


async def test_filters_narrow_a_listing(metadata, helper):
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


@every_order
async def test_filtered_pages_give_each_file_once(metadata, helper, order):
    """Paging works the same behind a filter."""
    records = await many(helper)
    where = FileFilter(search="MG1", kind=FileKind.TEXT, min_size=2)
    listed = [record async for page in pages(metadata, 4, where, order) for record in page.records]
    assert listed == arranged([r for r in records if "img1" in r.filename and r.size >= 2], order)


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


@given(st.lists(st.text(st.characters(exclude_characters="\0")) | st.integers(-(2**63) + 1, 2**63 - 1)))
def test_cursors_hold_their_values(values):
    """What was packed comes back the same, in text that is safe in a URL."""
    cursor = cursors.pack(*values)
    assert cursors.unpack(cursor, *map(type, values)) == values
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.fixture
def plan(metadata, database_url):
    """How SQLite runs a listing: the lines of its query plan."""
    engine = metadata._database.reader._engine.sync_engine

    async def explain(*arguments):
        seen = []

        def note(_connection, _cursor, statement, parameters, _context, _many):
            seen.append((statement, parameters))

        event.listen(engine, "before_cursor_execute", note)
        await metadata.list_files(*arguments)
        event.remove(engine, "before_cursor_execute", note)
        [(statement, parameters)] = [(s, p) for s, p in seen if s.startswith("SELECT")]
        with closing(sqlite3.connect(make_url(database_url).database)) as connection:
            return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]

    return explain


@every_order
@pytest.mark.parametrize(
    "where",
    [
        ALL,
        FileFilter(search="x"),
        FileFilter(kind=FileKind.IMAGE),
        FileFilter(kind=FileKind.IMAGE, search="x"),
    ],
    ids=["all", "search", "kind", "kind+search"],
)
async def test_every_order_has_its_index(metadata, helper, plan, order, where):
    """Every page of every order, alone or of one kind, is read from an index: nothing is sorted, at any depth."""
    record = await helper.upload()
    key, _, _ = order.name.rpartition("_")
    place = {"UPLOAD_DATE": to_microseconds(record.upload_date), "FILENAME": "a", "SIZE": 5}[key]
    for after in (None, cursors.pack(order.value, place, str(record.id))):
        steps = await plan(50, after, where, order)
        column = {"UPLOAD_DATE": "upload_date", "FILENAME": "sort_key", "SIZE": "size"}[key]
        prefix = "kind_" if where.kind else ""
        assert f"files_{prefix}{column}_id_idx" in steps[0]
        assert not any("TEMP B-TREE" in step for step in steps)
        if after:
            assert "SEARCH" in steps[0]
            assert f"({column},id)" in steps[0]


@pytest.mark.parametrize("kind", [None, FileKind.IMAGE])
@pytest.mark.parametrize("order", [FileOrder.SIZE_ASC, FileOrder.SIZE_DESC], ids=lambda o: o.name)
async def test_a_deep_page_starts_at_its_cursor(plan, order, kind):
    """A range on the column of the order does not make a later page read the earlier ones again."""
    where = FileFilter(kind=kind, min_size=1, max_size=9)
    steps = await plan(50, cursors.pack(order.value, 5, ID), where, order)
    assert "(size,id)" in steps[0]
    assert not any("TEMP B-TREE" in step for step in steps)


@pytest.mark.parametrize("where", [FileFilter(content_type="a/b"), FileFilter(sha256="0" * 64)], ids=["type", "hash"])
@pytest.mark.parametrize("order", [FileOrder.UPLOAD_DATE_DESC, FileOrder.UPLOAD_DATE_ASC], ids=lambda o: o.name)
async def test_the_other_filters_have_an_index_by_date(plan, where, order):
    """Content type and hash are read in the default order without sorting."""
    steps = await plan(50, None, where, order)
    assert not any("TEMP B-TREE" in step or step.startswith("SCAN files") for step in steps)
