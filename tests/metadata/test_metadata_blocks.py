"""Searches by blocks: whatever happens to files, and however blocks are split, each name is found once."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from publishing import LIFETIME
from satchel.metadata import FileFilter, FileKind, FileOrder, blocks, conditions, listing, publishing
from satchel.metadata.names import fold, natural_key
from satchel.metadata.tables import chunk_grams, fences, files

SECONDS = 60  # a bound for each wait; nothing is measured by it
NONE = timedelta(0)
WORDS = ("img", "IMG_20", "report", "Report Berlin", "e", "x", "報告書", "Отчёт", "100%", "İ")
TERMS = ("img", "report b", "e", "rt ber", "報告", "書1", "т", "%", "1", "12.", "nothing", "i", "x 1")

KEYS = {
    "UPLOAD_DATE": lambda record: (record.upload_date, record.id),
    "FILENAME": lambda record: (natural_key(record.filename), record.id),
    "SIZE": lambda record: (record.size, record.id),
}
COLUMNS = (files.c.upload_date, files.c.sort_key, files.c.size)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Make some dozen files behave as a million would: blocks are short, and looked at after each publication."""
    for module, name, value in (
        (blocks, "BLOCK", 3),
        (blocks, "LOOK", 1),
        (listing, "STRETCH", 1),
        (conditions, "FEW", 2),
        (listing, "FEW_BLOCKS", 2),
        (listing, "MORE_BLOCKS", 3),
    ):
        monkeypatch.setattr(module, name, value)


def some_name(chance):
    return f"{chance.choice(WORDS)} {chance.randint(1, 30)}.{chance.choice(('pdf', 'png'))}"


async def upload_some(helper, chance, batch=4):
    """Files of few sizes, and so with many ties, in one publication."""
    kinds = chance.choices((FileKind.IMAGE, FileKind.TEXT), k=batch)
    contents = ["x" * chance.randint(0, 3) for _ in range(batch)]
    prepared = [
        await helper.prepare(content, some_name(chance), kind=kind)
        for content, kind in zip(contents, kinds, strict=True)
    ]
    return [published.record for published in await helper.publish(*prepared)]


async def listed(metadata, where, order, first):
    after, has_next = None, True
    while has_next:
        page = await metadata.list_files(first, after, where, order)
        for record in page.records:
            yield record
        after, has_next = page.cursors[-1] if page.cursors else after, page.has_next


async def check(metadata, records, terms=TERMS):
    """Every page of every order, under every search, is what a plain comparison and a plain sort give."""
    dates = sorted(record.upload_date for record in records)
    others = [
        (FileFilter(), lambda _: True),
        (FileFilter(kind=FileKind.IMAGE), lambda record: record.kind is FileKind.IMAGE),
        (FileFilter(min_size=1, max_size=2), lambda record: 1 <= record.size <= 2),
        (
            FileFilter(uploaded_after=dates[len(dates) // 4], uploaded_before=dates[-len(dates) // 4]),
            lambda record: dates[len(dates) // 4] <= record.upload_date < dates[-len(dates) // 4],
        ),
    ]
    for term in terms:
        for where, matches in others:
            held = [record for record in records if fold(term) in fold(record.filename) and matches(record)]
            for order in FileOrder:
                key, _, direction = order.name.rpartition("_")
                expected = sorted(held, key=KEYS[key], reverse=direction == "DESC")
                found = [record async for record in listed(metadata, replace(where, search=term), order, 5)]
                assert found == expected, (term, where, order)


async def sizes_of_blocks(metadata):
    """How many files are in each block, by column."""

    async def count(c):
        sizes = {}
        for key in COLUMNS:
            marks = (
                await c.execute(select(fences.c[key.name], fences.c.id).where(fences.c[key.name].is_not(None)))
            ).all()
            places = (await c.execute(select(key, files.c.id))).all()
            homes = [max(mark for mark in map(tuple, marks) if mark <= tuple(place)) for place in places]
            sizes[key.name] = [homes.count(tuple(mark)) for mark in marks]
        return sizes

    return await metadata._database.reader.run(count)


async def grams_of_block(helper, fence):
    """What the names of a block are said to hold."""
    chunk, bit = divmod(fence, blocks.CHUNK)
    rows = await helper.rows(chunk_grams)
    return {row["gram"] for row in rows if row["chunk"] == chunk and row["fences"] >> bit & 1}


async def test_every_page_of_every_search_holds_what_it_should(metadata, helper):
    """While files come, go and are renamed, and blocks are split again and again; other filters may narrow it."""
    chance = random.Random(3)
    records = {}
    for _ in range(5):
        for _ in range(4):
            records |= {record.id: record for record in await upload_some(helper, chance)}
        for file_id in chance.sample(sorted(records), 5):
            records[file_id] = await metadata.rename_file(file_id, some_name(chance))
        doomed = chance.sample(sorted(records), 6)
        await metadata.delete_files(doomed, NONE)
        records = {file_id: record for file_id, record in records.items() if file_id not in doomed}
        await check(metadata, records.values(), chance.sample(TERMS, 1))
    await check(metadata, records.values())


async def test_blocks_stay_short(metadata, helper):
    """None is longer than it may be, where many files have one date and one size, too."""
    chance = random.Random(5)
    for _ in range(8):
        await upload_some(helper, chance, batch=10)
    for sizes in (await sizes_of_blocks(metadata)).values():
        assert sum(sizes) == 80
        assert max(sizes) <= 2 * blocks.BLOCK
        assert len(sizes) >= 80 / (2 * blocks.BLOCK)


async def test_a_split_forgets_names_that_are_gone(metadata, helper):
    """What deleted and renamed files held is no longer searched for in the blocks that were split since."""
    await helper.upload("1", "qqq")
    record = await helper.upload("2", "zzz")
    await metadata.rename_file(record.id, "a")
    [first] = [row["number"] for row in await helper.rows(fences) if row["upload_date"]]
    held = await grams_of_block(helper, first)
    assert {"qqq", "zzz", "a"} <= held
    for index in range(6):
        await helper.upload(f"{index}", f"b{index}")
    held = await grams_of_block(helper, first)
    assert "qqq" in held
    assert not held & {"z", "zz", "zzz"}


async def test_the_blocks_of_an_order_share_their_chunks(metadata, helper, monkeypatch):
    """So a search reads few rows: each order has as many chunks as its blocks need, and one more at most."""
    monkeypatch.setattr(blocks, "BLOCK", 1)
    chance = random.Random(11)
    records = [record for _ in range(10) for record in await upload_some(helper, chance, batch=20)]
    rows = await helper.rows(fences)
    for key in COLUMNS:
        numbers = [row["number"] for row in rows if row[key.name] is not None]
        assert len(numbers) > 1.5 * blocks.CHUNK
        assert len({number // blocks.CHUNK for number in numbers}) <= len(numbers) / blocks.CHUNK + 2
    await check(metadata, records, ["報告"])


async def test_adopted_files_are_found(metadata, helper):
    """Files of another database come into blocks as published ones do."""
    chance = random.Random(9)
    records = [record for _ in range(6) for record in await upload_some(helper, chance)]
    await metadata.delete_files([record.id for record in records[::2]], timedelta(days=1))
    uploads, offered = {}, []
    for record in records[::2]:
        publication = await helper.prepare("x" * record.size)
        uploads.setdefault(record.sha256, publication)
        offered.append(record)
    offered = [replace(record, object_name=uploads[record.sha256].object_name) for record in offered]
    await metadata.adopt(offered, {sha256: publication.upload_id for sha256, publication in uploads.items()})
    await check(metadata, list((await metadata.files_by_id([record.id for record in records])).values()))


# PostgreSQL, where transactions run side by side

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
async def held(metadata, helper):
    """A publication whose transaction has entered its file and stays open until `release` is set."""
    upload = await helper.prepare("held", "held name")
    entered, release = asyncio.Event(), asyncio.Event()

    async def work(c):
        [published] = await publishing.publish(c, metadata._database.insert, [upload], LIFETIME)
        entered.set()
        await release.wait()
        return published.record

    task = asyncio.create_task(metadata._database.writer.run(work))
    async with asyncio.timeout(SECONDS):
        await entered.wait()
    yield task, release
    release.set()
    await task


async def someone_waits(metadata):
    """Return when a transaction waits for the lock on the blocks."""
    query = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    for _ in range(SECONDS * 100):
        if await metadata._database.reader.run(lambda c: c.scalar(query)):
            return
        await asyncio.sleep(0.01)
    pytest.fail("nobody waits")


@on_postgresql
async def test_a_name_that_is_committed_after_a_split_began_is_found(metadata, helper, held, monkeypatch):
    """The split waits for the transaction that has looked up its block before, and takes its file along."""
    monkeypatch.setattr(blocks, "LOOK", 0)
    monkeypatch.setattr(blocks, "LOCK_TIMEOUT", timedelta(seconds=SECONDS))
    task, release = held
    others = [await helper.upload(f"{index}", f"other {index}") for index in range(8)]  # these wait for nobody
    splitting = asyncio.create_task(metadata._database.writer.run(lambda c: blocks.split_grown(c, others[-1].id)))
    await someone_waits(metadata)
    assert not splitting.done()
    release.set()
    record = await task
    await splitting
    assert len(await helper.rows(fences)) > len(COLUMNS)
    await check(metadata, [*others, record], ["held", "e", "other 1"])


@on_postgresql
async def test_a_split_puts_together_what_was_written_side_by_side(metadata, helper, monkeypatch):
    """Each transaction writes rows of its own; behind a split there is one for each gram of the chunk."""
    monkeypatch.setattr(blocks, "LOOK", 0)
    records = [await helper.upload(f"{index}", f"{index} file") for index in range(8)]
    rows = await helper.rows(chunk_grams)
    before = {row["gram"] for row in rows}
    assert len({row["writer"] for row in rows}) == len(records)
    await metadata._database.writer.run(lambda c: blocks.split_grown(c, records[0].id))
    rows = await helper.rows(chunk_grams)
    assert {row["writer"] for row in rows} == {0}
    assert sorted(before) == sorted(row["gram"] for row in rows if row["chunk"] == 0)
    await check(metadata, records, ["file", "3", "7 f", "nothing"])


@on_postgresql
async def test_a_split_does_not_keep_others_waiting(metadata, helper, held, monkeypatch):
    """Where a transaction stays open, the split is given up; the publication that asked for it has succeeded."""
    monkeypatch.setattr(blocks, "LOCK_TIMEOUT", timedelta(milliseconds=50))
    task, release = held
    others = [await helper.upload(f"{index}", f"other {index}") for index in range(8)]
    assert len(await helper.rows(fences)) == len(COLUMNS)
    release.set()
    record = await task
    others.append(await helper.upload("one more", "other 8"))
    assert len(await helper.rows(fences)) > len(COLUMNS)
    await check(metadata, [*others, record], ["held", "e", "other"])


@on_postgresql
async def test_names_that_are_entered_while_blocks_are_split_are_found(metadata, helper):
    """Many publish, rename and split side by side."""
    tasks, rounds = 8, 6
    kept = {}

    async def work(number):
        chance = random.Random(number)
        for _ in range(rounds):
            for record in await upload_some(helper, chance, batch=2):
                kept[record.id] = record
            file_id = record.id
            kept[file_id] = await metadata.rename_file(file_id, some_name(chance))

    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*map(work, range(tasks)))
    assert len(await helper.rows(fences)) > 3 * len(COLUMNS)
    await check(metadata, kept.values(), ("img", "e", "報告", "1"))
