"""The log of one process, on every database."""

import asyncio
import hashlib
import tracemalloc
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import timedelta

import pytest

from satchel import events
from satchel.blobs import new_object_name
from satchel.errors import Code, SatchelError
from satchel.events import EventLog
from satchel.events.memory import MemoryWakeup
from satchel.metadata import EventKind, FileKind, Metadata, Position, Publication

HOUR = timedelta(hours=1)
SECONDS = 20  # a bound for each wait; nothing is measured by it


class Counting:
    """A `Metadata` that counts how often the table of events is read."""

    def __init__(self, metadata):
        self._metadata = metadata
        self.reads = 0

    def __getattr__(self, name):
        return getattr(self._metadata, name)

    async def events_after(self, *args):
        self.reads += 1
        return await self._metadata.events_after(*args)


async def publish(metadata, *names):
    """One event for each name, in one transaction."""
    publications = [
        Publication(
            upload_id=await metadata.begin_upload(object_name, HOUR),
            object_name=object_name,
            sha256=hashlib.sha256(name.encode()).hexdigest(),
            size=1,
            filename=name,
            content_type="text/plain",
            kind=FileKind.TEXT,
        )
        for name in names
        for object_name in [new_object_name()]
    ]
    return [one.record for one in await metadata.publish(publications, key_lifetime=HOUR)]


@asynccontextmanager
async def opened(metadata, ring_size=100):
    log = EventLog(metadata, MemoryWakeup(), ring_size)
    await log.open()
    try:
        yield log
    finally:
        await log.close()


@pytest.fixture
async def log(metadata):
    async with opened(metadata) as log:
        yield log


async def take(log, position, count):
    """The names of the next events after a place."""
    names = []
    async with aclosing(log.follow(position)) as following, asyncio.timeout(SECONDS):
        while len(names) < count:
            names.append((await anext(following)).record.filename)
    return names


async def caught_up(log, metadata):
    """Wait until the ring reaches to the end of the table."""
    head = await metadata.event_head()
    async with asyncio.timeout(SECONDS):
        while log._last < head:
            log.notify()
            await asyncio.sleep(0.01)


async def fails(code, failing):
    with pytest.raises(SatchelError) as raised:
        await failing
    assert raised.value.code is code


async def test_a_subscriber_is_woken_by_what_is_new(metadata, log):
    """A waiting subscriber gets what is committed and notified of."""
    following = asyncio.create_task(take(log, await log.head(), 2))
    await publish(metadata, "a", "b")
    log.notify()
    assert await following == ["a", "b"]


async def test_a_lost_wakeup_costs_time_and_no_event(metadata, log):
    """What nobody was notified of is found by looking now and then."""
    following = asyncio.create_task(take(log, await log.head(), 1))
    await publish(metadata, "silent")
    assert await following == ["silent"]


async def test_a_wakeup_without_news_gives_nothing(metadata, log):
    """Wake-ups carry no data: any number of them makes no event."""
    following = asyncio.create_task(take(log, await log.head(), 1))
    for _ in range(100):
        log.notify()
        await asyncio.sleep(0)
    await asyncio.sleep(0.1)
    assert not following.done()
    await publish(metadata, "news")
    log.notify()
    assert await following == ["news"]


async def test_subscribers_share_one_reader_of_the_table(metadata):
    """However many subscribers follow the end, the table is read by one."""
    counting = Counting(metadata)
    async with opened(counting) as log:
        head = await log.head()
        followers = [asyncio.create_task(take(log, head, 20)) for _ in range(200)]
        await asyncio.sleep(0.05)
        names = [f"{number:02}" for number in range(20)]
        for name in names:
            await publish(metadata, name)
            log.notify()
        assert await asyncio.gather(*followers) == [names] * 200
        assert counting.reads < 100


async def test_in_each_turn_of_the_loop_one_event_is_told(metadata, log, turns):
    """Whether many subscribers are told of one, or one of many: others have their turns between."""
    head = await log.head()
    told = []

    async def follow():
        async with aclosing(log.follow(head)) as following:
            for _ in range(20):
                await anext(following)
                told.append(turns.count)

    await publish(metadata, *(f"{number:02}" for number in range(20)))
    await caught_up(log, metadata)
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*(follow() for _ in range(50)))
    assert len(set(told)) == len(told) == 50 * 20


@pytest.mark.parametrize(("ring_size", "each"), [(1, 64 * 1024), (1000, 2 * 1024)])
async def test_who_reads_slowly_costs_little_memory(metadata, ring_size, each):
    """Of all that it has yet to be told a few events are kept for it, from the table, or places in the ring (bytes)."""
    async with opened(metadata, ring_size) as log, AsyncExitStack() as stack:
        start = await log.head()
        await publish(metadata, *(f"{number:03}" for number in range(400)))
        await caught_up(log, metadata)
        tracemalloc.start()
        stack.callback(tracemalloc.stop)
        for _ in range(100):
            following = await stack.enter_async_context(aclosing(log.follow(start)))
            assert (await anext(following)).record.filename == "000"
        assert tracemalloc.get_traced_memory()[0] < 100 * each


async def test_what_was_before_the_start_is_read_from_the_table(metadata):
    """A log that was opened later still gives all that is kept, and goes on with what is new."""
    start = await metadata.event_head()
    await publish(metadata, "a", "b")
    async with opened(metadata) as log:
        following = asyncio.create_task(take(log, start, 3))
        await publish(metadata, "c")
        log.notify()
        assert await following == ["a", "b", "c"]


@pytest.mark.parametrize("ring_size", [1, 2, 3, 7])
async def test_who_falls_behind_the_ring_goes_on_from_the_table(metadata, ring_size):
    """A ring of any size gives every subscriber every event once, in order, however slowly it reads."""
    async with opened(metadata, ring_size) as log:
        start = await log.head()
        names = [f"{number:02}" for number in range(25)]
        for name in names:
            await publish(metadata, name)
            log.notify()
        await caught_up(log, metadata)
        assert len(log._ring) <= 2 * ring_size
        assert await take(log, start, 25) == names

        slow = []
        async with aclosing(log.follow(start)) as following, asyncio.timeout(SECONDS):
            for turn in range(25):
                slow.append((await anext(following)).record.filename)
                if turn % 5 == 0:
                    await publish(metadata, f"later {turn}")
                    log.notify()
                    await asyncio.sleep(0.01)
        assert slow == names


async def test_every_place_in_the_ring_is_a_place_to_start_from(metadata):
    """From each event on, inside the ring and before it, exactly the events behind it come."""
    async with opened(metadata, ring_size=5) as log:
        start = await log.head()
        names = [f"{number:02}" for number in range(20)]
        await publish(metadata, *names)
        await caught_up(log, metadata)
        positions = [start, *(event.position for event in await metadata.events_after(start, 100))]
        for place, position in enumerate(positions[:-1]):
            assert await take(log, position, 20 - place) == names[place:]


async def test_more_events_than_a_page_come_whole(metadata, monkeypatch):
    """A reader that is far behind pages through the table."""
    monkeypatch.setattr(events, "PAGE", 3)
    monkeypatch.setattr(events, "AHEAD", 2)
    async with opened(metadata, ring_size=2) as log:
        start = await log.head()
        names = [f"{number:02}" for number in range(20)]
        await publish(metadata, *names)
        log.notify()
        assert await take(log, start, 20) == names


async def test_an_event_tells_the_file_as_it_was(metadata, log):
    """Later changes do not reach back into earlier events."""
    start = await log.head()
    [file] = await publish(metadata, "first")
    await metadata.rename_file(file.id, "second")
    await metadata.delete_files([file.id], HOUR)
    log.notify()
    async with aclosing(log.follow(start)) as following, asyncio.timeout(SECONDS):
        told = [await anext(following) for _ in range(3)]
    assert [(event.kind, event.record.filename) for event in told] == [
        (EventKind.UPLOADED, "first"),
        (EventKind.RENAMED, "second"),
        (EventKind.DELETED, "second"),
    ]


# Places


async def test_a_cursor_is_the_place_that_it_was_made_from(metadata, log):
    """A cursor can be resumed from, at the end and before it."""
    start = await log.head()
    assert await log.resume(None) == start
    assert await log.resume(log.cursor(start)) == start
    await publish(metadata, "a")
    assert await log.resume(log.cursor(start)) == start
    assert await log.resume(None) > start


async def test_a_place_ahead_of_the_log_has_expired(log):
    """A cursor from the future belongs to a database that was replaced by an older copy."""
    head = await log.head()
    await fails(Code.CURSOR_EXPIRED, log.resume(log.cursor(Position(head.transaction, head.id + 1))))


async def test_a_cursor_of_another_log_has_expired(log, tmp_path):
    """A cursor from another database is no place here, even where the numbers fit."""
    other = Metadata(f"sqlite:///{tmp_path}/other.db")
    await other.open()
    cursor = other.encode_cursor(await other.event_head())
    await other.close()
    await fails(Code.CURSOR_EXPIRED, log.resume(cursor))


@pytest.mark.parametrize("cursor", ["", "x", "W10", "é", "W251bGxd"])
async def test_what_is_no_cursor_is_a_bad_request(log, cursor):
    """Nothing but a cursor is one."""
    await fails(Code.BAD_REQUEST, log.resume(cursor))


async def test_a_place_whose_events_were_pruned_has_expired(metadata, log):
    """Resuming behind the horizon is refused, and at the horizon it is not."""
    start = await log.head()
    await publish(metadata, *"abcdef")
    await metadata.prune_events(HOUR, 2)
    await fails(Code.CURSOR_EXPIRED, log.resume(log.cursor(start)))
    horizon = (await metadata.event_head())._replace(id=(await metadata.event_head()).id - 2)
    assert await take(log, await log.resume(log.cursor(horizon)), 2) == ["e", "f"]


async def test_who_follows_too_slowly_is_told_what_it_lost(metadata):
    """A subscriber behind ring and table is not silently moved on."""
    async with opened(metadata, ring_size=1) as log:
        start = await log.head()
        await publish(metadata, *"ab")
        log.notify()
        async with aclosing(log.follow(start)) as following:
            assert (await anext(following)).record.filename == "a"
            await publish(metadata, *"cdefgh")
            await caught_up(log, metadata)
            await metadata.prune_events(HOUR, 1)
            assert (await anext(following)).record.filename == "b"  # read together with the first
            await fails(Code.CURSOR_EXPIRED, anext(following))


async def test_the_log_goes_on_after_its_own_place_was_pruned(metadata):
    """If the table is pruned past the reader itself, new events still come to those who follow the end."""
    async with opened(metadata, ring_size=2) as log:
        log._tail.cancel()  # asleep, while others commit and prune
        await asyncio.gather(log._tail, return_exceptions=True)
        await publish(metadata, *"abcdef")
        await metadata.prune_events(HOUR, 1)
        log._tail = asyncio.create_task(log._follow_table())
        following = asyncio.create_task(take(log, await log.head(), 1))
        await publish(metadata, "new")
        log.notify()
        assert await following == ["new"]


async def test_a_database_that_is_away_delays_events_and_loses_none(metadata, monkeypatch):
    """While the table cannot be read nothing comes; afterwards everything does."""
    async with opened(metadata) as log:
        start = await log.head()
        real, tried = metadata.events_after, asyncio.Event()

        async def away(*args):
            tried.set()
            raise SatchelError(Code.DATABASE_UNAVAILABLE, "planted")

        monkeypatch.setattr(metadata, "events_after", away)
        monkeypatch.setattr(events, "POLL_SECONDS", 0.01)
        following = asyncio.create_task(take(log, start, 2))
        await publish(metadata, "a", "b")
        log.notify()
        async with asyncio.timeout(SECONDS):
            await tried.wait()
        assert not following.done()
        monkeypatch.setattr(metadata, "events_after", real)
        assert await following == ["a", "b"]


async def test_a_closed_log_can_be_closed(metadata):
    """Closing ends the reader, with subscribers still waiting."""
    log = EventLog(metadata, MemoryWakeup(), 10)
    await log.open()
    waiting = asyncio.create_task(take(log, await log.head(), 1))
    await asyncio.sleep(0)
    await log.close()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
