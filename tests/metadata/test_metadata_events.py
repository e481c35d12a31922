"""The event log: nothing lost, nothing twice, and an honest answer when it does not reach back far enough."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import delete, event, make_url

from satchel.errors import Code
from satchel.metadata import EventKind, FileKind, Metadata, Position
from satchel.metadata.cursors import pack
from satchel.metadata.tables import events

START = Position(0, 0)
AGES = timedelta(days=1)
NONE = timedelta(0)


async def test_the_log_begins_before_the_first_event(metadata, helper):
    """On a new database the head is a position from which everything that follows is read."""
    head = await metadata.event_head()
    assert head == START
    assert await metadata.events_after(head, 10) == []
    record = await helper.upload()
    assert [event.record for event in await metadata.events_after(head, 10)] == [record]


async def test_an_event_has_the_file_as_it_was(metadata, helper):
    """Every event keeps its own picture of the file, with every kind of value intact."""
    record = await helper.upload("x", "früher 🎒", kind=FileKind.OTHER, size=2**62, content_type="a/b")
    renamed = await metadata.rename_file(record.id, "später")
    await metadata.delete_files([record.id], NONE)
    seen = [(event.kind, event.record) for event in await metadata.events_after(START, 10)]
    assert seen == [(EventKind.UPLOADED, record), (EventKind.RENAMED, renamed), (EventKind.DELETED, renamed)]
    assert all(row["created"] >= record.upload_date for row in await helper.rows(events))


async def test_events_are_paged_in_commit_order(metadata, helper):
    """Reading on from the last position gives each event once, in order, while others are written."""
    writing = asyncio.gather(*(helper.upload(f"{index}") for index in range(30)))
    position, seen = START, []
    while len(seen) < 30:
        page = await metadata.events_after(position, 4)
        assert len(page) <= 4
        seen += page
        position = page[-1].position if page else position
    positions = [event.position for event in seen]
    assert positions == sorted(set(positions))
    assert {event.record for event in seen} == set(await writing)
    assert position == await metadata.event_head()


async def test_prunes_by_number(metadata, helper):
    """The newest rows stay, and the horizon is the last one that went."""
    for index in range(5):
        await helper.upload(f"{index}")
    everything = await metadata.events_after(START, 10)
    assert await metadata.prune_events(AGES, 2) == 3
    assert await metadata.prune_events(AGES, 2) == 0
    assert await metadata.events_after(everything[2].position, 10) == everything[3:]


async def test_prunes_by_age(metadata, helper):
    """Events older than the age go, younger ones stay."""
    await helper.upload()
    assert await metadata.prune_events(AGES, 10) == 0
    assert await metadata.prune_events(timedelta(seconds=-1), 10) == 1


async def test_prunes_no_more_than_is_too_much_where_numbers_are_missing(metadata, helper):
    """The rows are what is counted, not their numbers."""
    for index in range(5):
        await helper.upload(f"{index}")
    everything = await metadata.events_after(START, 10)
    gap = delete(events).where(events.c.id == everything[2].position.id)
    await metadata._database.writer.run(lambda connection: connection.execute(gap))
    assert await metadata.prune_events(AGES, 4) == 0
    assert await metadata.prune_events(AGES, 3) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_no_way_through_the_log_leads_past_events_that_are_of_no_concern(metadata, helper, database_url):
    """What is old, too much, or behind a position is looked up in SQLite, however many events there are."""
    for index in range(5):
        await helper.upload(f"{index}")
    head, run = await metadata.event_head(), []

    def note(_connection, _cursor, statement, parameters, _context, _many):
        if "events" in statement:
            run.append((statement, parameters))

    for pool in (metadata._database.reader, metadata._database.writer):
        event.listen(pool._engine.sync_engine, "before_cursor_execute", note)
    assert await metadata.prune_events(AGES, 10) == 0
    await metadata.events_after(head, 10)
    await metadata.events_pending(head)
    assert "count" not in "".join(statement for statement, _ in run)  # which would read them all
    await metadata.prune_events(AGES, 2)
    with closing(sqlite3.connect(make_url(database_url).database)) as connection:
        plans = [row[3] for sql, given in run for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", given)]
    ways = {way for way in plans if "events" in way}
    assert ways <= {
        "SEARCH events",  # the first or the last
        "SEARCH events USING INDEX events_created_idx (created<?)",
        "SCAN events USING COVERING INDEX events_transaction_id_idx",  # in its order, up to a limit
        "SEARCH events USING COVERING INDEX events_transaction_id_idx (transaction<?)",  # likewise
        "SEARCH events USING INDEX events_transaction_id_idx (transaction=? AND id>?)",
        "SEARCH events USING COVERING INDEX events_transaction_id_idx (transaction=? AND id>?)",
        "SEARCH events USING INDEX events_transaction_id_idx (transaction=? AND id<?)",
        "SEARCH events USING COVERING INDEX events_transaction_id_idx (transaction=? AND id<?)",
        "SCAN events USING COVERING INDEX events_created_idx",  # the count
    }, ways
    assert "SEARCH events USING INDEX events_created_idx (created<?)" in ways


async def test_a_position_before_the_horizon_has_expired(metadata, helper, fails):
    """Where events behind a position are gone, the reader is told to start over, even if later ones are there."""
    for index in range(4):
        await helper.upload(f"{index}")
    positions = [event.position for event in await metadata.events_after(START, 10)]
    await metadata.prune_events(AGES, 2)
    for expired in (START, positions[0]):
        with fails(Code.CURSOR_EXPIRED):
            await metadata.events_after(expired, 10)
    assert len(await metadata.events_after(positions[1], 10)) == 2


async def test_the_horizon_never_moves_back(database_url, metadata, helper, fails):
    """Of two sweepers that prune at once, the one that keeps more does not hide what the other one has dropped."""
    for index in range(10):
        await helper.upload(f"{index}")
    positions = [event.position for event in await metadata.events_after(START, 10)]
    begun, release = asyncio.Event(), asyncio.Event()

    async def prune_slowly(connection):
        dropped = await Metadata.prune_events.__wrapped__(metadata, connection, AGES, 1)
        begun.set()
        await release.wait()
        return dropped

    first = asyncio.create_task(metadata._database.writer.run(prune_slowly))
    await begun.wait()
    other = Metadata(database_url)
    second = asyncio.create_task(other.prune_events(AGES, 5))
    await asyncio.sleep(0.1)
    release.set()
    assert await first == 9
    assert await second == 0
    await other.close()
    with fails(Code.CURSOR_EXPIRED):
        await metadata.events_after(positions[7], 10)
    assert len(await metadata.events_after(positions[8], 10)) == 1


async def test_the_head_outlives_the_events(metadata, helper):
    """When all events are pruned the head stays where it was, and positions never come back."""
    await helper.upload("one")
    head = await metadata.event_head()
    await metadata.prune_events(AGES, 0)
    assert await metadata.event_head() == head
    assert await metadata.events_after(head, 10) == []
    await helper.upload("two")
    [event] = await metadata.events_after(head, 10)
    assert event.position > head


async def test_a_position_beyond_the_head_has_expired(metadata, helper, fails):
    """A position that the log never reached is one of a database that was restored to an earlier state."""
    await helper.upload()
    head = await metadata.event_head()
    with fails(Code.CURSOR_EXPIRED):
        await metadata.events_after(Position(head.transaction, head.id + 1), 10)


async def test_cursors_are_opaque_positions(metadata, helper):
    """A cursor comes back as the position it was made of."""
    await helper.upload()
    head = await metadata.event_head()
    cursor = metadata.encode_cursor(head)
    assert metadata.decode_cursor(cursor) == head
    assert cursor.replace("-", "").replace("_", "").isalnum()


async def test_a_cursor_outlives_a_restart(database_url, metadata, helper):
    """The log keeps its identity when the database is opened again, here and in another process."""
    cursor = metadata.encode_cursor(await metadata.event_head())
    other = Metadata(database_url)
    await other.open()
    assert other.decode_cursor(cursor) == START
    await other.close()


async def test_a_cursor_of_another_log_has_expired(metadata, tmp_path, fails):
    """A cursor does not work on a new database, where its position would mean something else."""
    other = Metadata(f"sqlite:///{tmp_path}/other.db")
    await other.open()
    with fails(Code.CURSOR_EXPIRED):
        metadata.decode_cursor(other.encode_cursor(START))
    await other.close()


@pytest.mark.parametrize("cursor", ["", "?", "AAAA", pack("log"), pack("log", 1), pack("log", "1", "1"), pack(1, 1, 1)])
async def test_a_malformed_cursor_is_a_bad_request(metadata, fails, cursor):
    """What is no cursor at all is the client's mistake."""
    with fails(Code.BAD_REQUEST):
        metadata.decode_cursor(cursor)
