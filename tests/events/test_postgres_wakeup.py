"""Several processes on one PostgreSQL database: each hears of the others, and none loses an event when it does not."""

import asyncio
import random
from contextlib import aclosing, asynccontextmanager

import pytest

from publishing import Helper
from satchel import events
from satchel.errors import CannotStart
from satchel.events import EventLog
from satchel.events.postgres import PostgresWakeup
from satchel.metadata import Metadata

SECONDS = 60  # a bound for each wait; nothing is measured by it


@asynccontextmanager
async def listening(url):
    wakeup = PostgresWakeup(url)
    await wakeup.open()
    try:
        yield wakeup
    finally:
        await wakeup.close()


@asynccontextmanager
async def server(url):
    """What a server has of events: the metadata in short words, and the log."""
    metadata = Metadata(url, connections=4)
    await metadata.open()
    log = EventLog(metadata, PostgresWakeup(url), 100)
    try:
        await log.open()
        try:
            yield Helper(metadata), log
        finally:
            await log.close()
    finally:
        await metadata.close()


@pytest.fixture
def no_poll(monkeypatch):
    """Nobody looks unless told to."""
    monkeypatch.setattr(events, "POLL_SECONDS", 10.0 * SECONDS)


async def end_listeners(outside):
    """End the connections that listen, and return how many there were, when they are gone."""
    ended = await outside.fetch(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND query ~ '^(LISTEN|NOTIFY)' AND pid <> pg_backend_pid()"
    )
    return len(ended)


async def woken(wakeup):
    await asyncio.wait_for(wakeup.wait(), SECONDS)


async def take(log, position, count):
    """The next events after a place."""
    taken = []
    async with aclosing(log.follow(position)) as following, asyncio.timeout(SECONDS):
        while len(taken) < count:
            taken.append(await anext(following))
    return taken


# Wake-ups


async def test_wakeups_reach_the_other_process(postgres_url):
    """Whoever notifies wakes the others, in either direction, any number of times."""
    async with listening(postgres_url) as one, listening(postgres_url) as other:
        for _ in range(3):
            one.notify()
            await woken(other)
            await woken(one)
            other.notify()
            await woken(one)
            await woken(other)


async def test_a_wakeup_reaches_its_own_process_at_once(postgres_url):
    """Nothing is waited for, not even the database."""
    async with listening(postgres_url) as wakeup:
        wakeup.notify()
        waiting = asyncio.create_task(wakeup.wait())
        await asyncio.sleep(0)
        assert waiting.done()


async def test_many_wakeups_are_sent_as_few(postgres_url, outside):
    """While one notification is under way all others become one more; and a process does not hear its own."""
    heard = []
    await outside.add_listener("satchel_events", lambda *_: heard.append(1))
    async with listening(postgres_url) as one, listening(postgres_url) as other:
        for _ in range(1000):
            one.notify()
        await woken(one)
        await woken(other)
        await outside.execute("NOTIFY satchel_events")  # behind all that was sent
        await woken(one)
        await woken(other)
        assert len(heard) < 10
        echo = asyncio.create_task(one.wait())
        await outside.fetch("SELECT 1")
        assert not echo.done()
        echo.cancel()


async def test_a_lost_connection_comes_back_and_looks_at_once(postgres_url, outside):
    """When the listening connection ends there is soon another; that wakes, because much may have been missed."""
    async with listening(postgres_url) as one, listening(postgres_url) as other:
        for _ in range(3):
            assert await end_listeners(outside) == 2
            await woken(one)
            await woken(other)
            one.notify()
            await woken(one)
            await woken(other)


async def test_a_server_that_is_away_is_waited_for(postgres):
    """While there is no server the process goes on, and hears of others again when it is back."""
    own = type(postgres)().start()
    try:
        url = await own.new_database()
        async with listening(url) as one, listening(url) as other:
            own.kill()
            one.notify()  # harmless
            await woken(one)
            await asyncio.sleep(0.2)
            own.launch()
            await woken(one)
            await woken(other)
            other.notify()
            await woken(one)
    finally:
        own.stop()


async def test_a_server_that_cannot_be_reached_stops_the_start(postgres_url):
    """One line says why, without the password."""
    wakeup = PostgresWakeup("postgresql://satchel:secret@127.0.0.1:1/db")
    with pytest.raises(CannotStart, match="SATCHEL_DATABASE_URL") as raised:
        await wakeup.open()
    assert "secret" not in str(raised.value)
    await wakeup.close()


async def test_closing_ends_the_connection(postgres_url, outside):
    """A closed wake-up leaves no connection, also when it was just lost."""
    for lose in (False, True):
        async with listening(postgres_url):
            if lose:
                await end_listeners(outside)
        for _ in range(SECONDS * 100):
            if await end_listeners(outside) == 0:
                break
            await asyncio.sleep(0.01)
        else:
            pytest.fail("the connection is still there")


# Two servers


async def test_what_is_published_here_is_told_there(postgres_url, no_poll):
    """A subscriber of one server gets the events of the other, woken and not by looking."""
    async with server(postgres_url) as (here, log), server(postgres_url) as (_, other_log):
        following = asyncio.create_task(take(other_log, await other_log.head(), 3))
        await asyncio.sleep(0)
        for name in "abc":
            await here.upload(name, name)
            log.notify()
        assert [event.record.filename for event in await following] == ["a", "b", "c"]


async def test_a_cursor_taken_here_resumes_there(postgres_url):
    """A place in the log is the same at every server."""
    async with server(postgres_url) as (here, log), server(postgres_url) as (there, other_log):
        cursor = log.cursor(await log.resume(None))
        await here.upload("a", "a")
        await there.upload("b", "b")
        told = await take(other_log, await other_log.resume(cursor), 2)
        assert [event.record.filename for event in told] == ["a", "b"]
        assert await take(log, await log.resume(other_log.cursor(told[0].position)), 1) == told[1:]


async def test_what_was_held_back_is_told_soon_after(postgres_url, no_poll, outside):
    """Events behind a transaction that still runs come when it is through, though nobody wakes the reader then."""
    async with server(postgres_url) as (here, log):
        following = asyncio.create_task(take(log, await log.head(), 1))
        transaction = outside.transaction()
        await transaction.start()
        await outside.execute("SELECT pg_current_xact_id()")  # from now on its number is taken
        await here.upload("a", "a")
        log.notify()
        await asyncio.sleep(0.3)
        assert not following.done()
        await transaction.commit()
        [event] = await following
        assert event.record.filename == "a"


async def test_nothing_is_lost_while_connections_are(postgres_url, outside):
    """Two servers publish while their listening connections end again and again: both tell all, in one order."""
    changes = 60
    chance = random.Random(3)
    async with server(postgres_url) as one, server(postgres_url) as two:
        start = await one[1].head()
        followers = [asyncio.create_task(take(log, start, 2 * changes)) for _, log in (one, two)]

        async def write(side, here, log):
            for number in range(changes):
                await here.upload(f"{side} {number}", f"{side} {number}")
                log.notify()
                await asyncio.sleep(chance.random() / 50)

        writing = asyncio.gather(write("one", *one), write("two", *two))
        ended = 0
        while not writing.done():
            ended += await end_listeners(outside)
            await asyncio.sleep(0.05)
        await writing
        first, second = await asyncio.gather(*followers)
        assert ended > 0
        assert first == second
        expected = {f"{side} {number}" for side in ("one", "two") for number in range(changes)}
        assert {event.record.filename for event in first} == expected
