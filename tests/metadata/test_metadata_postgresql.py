"""A database that is a server: it goes away, comes back, and is not told everything."""

import asyncio
import random
from datetime import timedelta

import pytest
from sqlalchemy import make_url, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from cutter import Cutter
from postgres import Postgres
from publishing import Helper
from satchel.errors import CannotStart, Code
from satchel.metadata import Metadata, postgresql
from satchel.metadata.tables import blobs, events, files, garbage, uploads

MINUTE = timedelta(minutes=1)
SECONDS = 60  # a bound for each wait; nothing is measured by it


@pytest.fixture
def database_url(postgres_url):
    return postgres_url


@pytest.fixture
async def cut(postgres_url):
    """The database behind a proxy that can cut connections, with a helper for it."""
    async with Cutter(postgres_url) as cutter:
        metadata = Metadata(cutter.url, connections=3)
        await metadata.open()
        yield cutter, Helper(metadata)
        await metadata.close()


@pytest.fixture(scope="module")
def own_server():
    """A server that these tests may kill."""
    with Postgres() as server:
        yield server


async def end_backends(outside):
    """End all other connections to the database, and return when they are gone."""
    await outside.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


# Being away


async def test_connections_that_died_fail_no_request(metadata, helper, outside):
    """When the server has ended all connections, whatever comes next works on new ones."""
    await asyncio.gather(*(helper.upload(f"{index}") for index in range(20)))
    await end_backends(outside)
    await asyncio.gather(*(helper.upload(f"later {index}") for index in range(20)), metadata.ping())
    assert await helper.count(files, uploads) == (40, 0)


async def test_a_connection_that_dies_in_mid_transaction_fails_no_request(metadata, helper, outside):
    """A transaction that is lost before its end is run again, and takes place once."""
    tries = 0

    async def work(connection):
        nonlocal tries
        tries += 1
        name = {"sha256": "0" * 64, "size": 1, "object_name": f"try {tries}"}
        await connection.execute(blobs.insert().values(**name))
        if tries == 1:
            await end_backends(outside)
        await connection.execute(select(files.c.id))
        return tries

    assert await metadata._database.writer.run(work) == 2
    assert [row["object_name"] for row in await helper.rows(blobs)] == ["try 2"]


async def test_a_server_that_is_away_is_unavailable_until_it_is_back(own_server, fails):
    """Without a server every request fails as such; when it runs again, the next one works."""
    metadata = Metadata(await own_server.new_database())
    await metadata.open()
    helper = Helper(metadata)
    record = await helper.upload()
    own_server.kill()
    try:
        for _ in range(3):
            with fails(Code.DATABASE_UNAVAILABLE):
                await metadata.file(record.id)
            with fails(Code.DATABASE_UNAVAILABLE):
                await metadata.begin_upload("object", MINUTE)
    finally:
        own_server.launch()
    assert await metadata.file(record.id) == record
    await helper.upload("more")
    await metadata.close()


async def test_a_statement_that_takes_too_long_is_given_up(monkeypatch, postgres_url, outside, fails):
    """A write that waits for a lock that nobody releases fails as the database's fault, and can be tried again."""
    monkeypatch.setattr(postgresql, "STATEMENT_TIMEOUT", timedelta(milliseconds=100))
    impatient = Metadata(postgres_url)
    await impatient.open()
    async with outside.transaction():
        await outside.execute("LOCK TABLE uploads")
        with fails(Code.DATABASE_UNAVAILABLE):
            await impatient.begin_upload("object", MINUTE)
    await impatient.begin_upload("object", MINUTE)
    await impatient.close()


async def test_a_server_that_answers_no_more_is_given_up(monkeypatch, postgres_url, fails):
    """A statement that gets no answer at all fails, and the next one goes over a new connection."""
    monkeypatch.setattr(postgresql, "ANSWER_TIMEOUT", timedelta(milliseconds=300))
    async with Cutter(postgres_url) as cutter:
        metadata = Metadata(cutter.url, connections=1)
        await metadata.open()
        cutter.silent = True
        with fails(Code.DATABASE_UNAVAILABLE):
            await metadata.begin_upload("object", MINUTE)
        cutter.silent = False
        await metadata.begin_upload("object", MINUTE)
        await metadata.close()


async def test_a_deadlock_is_nobodys_failure(metadata, helper):
    """Of two transactions that wait for each other one is rolled back, and begun again when the other is through."""
    first, second = await helper.upload("first"), await helper.upload("second")
    both = asyncio.Barrier(2)
    tries = []

    async def lock(connection, ids, name):
        tries.append(name)
        for place, file_id in enumerate(ids):
            await connection.execute(update(files).where(files.c.id == file_id).values(filename=name))
            if place == 0 and len(tries) <= 2:
                await both.wait()

    run = metadata._database.writer.run
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(
            run(lambda c: lock(c, [first.id, second.id], "one")), run(lambda c: lock(c, [second.id, first.id], "two"))
        )
    assert len(tries) >= 3
    assert len({row["filename"] for row in await helper.rows(files)}) == 1


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("53100", Code.INSUFFICIENT_STORAGE),
        ("53200", Code.DATABASE_UNAVAILABLE),
        ("57014", Code.DATABASE_UNAVAILABLE),
        ("55P03", Code.DATABASE_UNAVAILABLE),
        ("25006", Code.DATABASE_UNAVAILABLE),
        ("58030", Code.DATABASE_UNAVAILABLE),
        ("40001", Code.DATABASE_UNAVAILABLE),
        ("XX001", Code.DATABASE_UNAVAILABLE),
    ],
)
async def test_failures_of_the_server_have_codes(helper, fails, state, code):
    """What the server says of itself becomes what clients are told."""
    with fails(code):
        await helper.write(text(f"DO $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '{state}'; END $$"))


@pytest.mark.parametrize(("state", "kind"), [("23505", IntegrityError), ("42P01", DBAPIError)])
async def test_our_own_mistakes_keep_their_names(helper, state, kind):
    """What the server says of the statement stays what it is."""
    with pytest.raises(kind):
        await helper.write(text(f"DO $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '{state}'; END $$"))


# COMMIT without an answer


@pytest.mark.parametrize("moment", ["before", "during", "after"])
async def test_a_publication_is_certain_whatever_becomes_of_its_commit(cut, moment):
    """Wherever the connection is cut around COMMIT, the file is there once, and the client is told of it."""
    cutter, helper = cut
    upload = await helper.prepare()
    cutter.moment = moment
    [published] = await helper.publish(upload)
    assert cutter.cuts == 1
    assert await helper.metadata.file(published.record.id) == published.record
    assert await helper.count(files, blobs, events, uploads, garbage) == (1, 1, 1, 0, 0)


async def test_a_commit_that_still_runs_is_not_taken_for_none(postgres, postgres_url):
    """The answer waits for the server's end of the cut connection, which may be in the midst of the commit."""
    async with Cutter(f"{postgres_url}?synchronous_commit=on") as cutter:
        metadata = Metadata(cutter.url)
        await metadata.open()
        helper = Helper(metadata)
        upload = await helper.prepare()
        # From here on commits wait, invisible to others, for a standby that does not exist; cut off, they come true.
        await postgres.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        await postgres.execute("SELECT pg_reload_conf()")
        try:
            cutter.moment = "during"
            async with asyncio.timeout(SECONDS):
                [published] = await helper.publish(upload)
        finally:
            await postgres.execute("ALTER SYSTEM RESET synchronous_standby_names")
            await postgres.execute("SELECT pg_reload_conf()")
        assert cutter.cuts == 1
        assert await metadata.file(published.record.id) == published.record
        assert await helper.count(files, events) == (1, 1)
        await metadata.close()


async def test_an_outcome_that_nobody_can_tell_is_a_failure(own_server, monkeypatch, fails):
    """When the server is gone with the commit and does not come back, the client is told to ask again."""
    monkeypatch.setattr("satchel.metadata.pool.SETTLE_TIMEOUT", 0.3)
    async with Cutter(await own_server.new_database()) as cutter:
        metadata = Metadata(cutter.url)
        await metadata.open()
        helper = Helper(metadata)
        upload = await helper.prepare()
        commit = metadata._database.writer._engine.sync_engine.dialect.do_commit

        def kill_server(connection):
            cutter.moment = "after"
            own_server.kill()
            commit(connection)

        monkeypatch.setattr(metadata._database.writer._engine.sync_engine.dialect, "do_commit", kill_server)
        try:
            with fails(Code.DATABASE_UNAVAILABLE):
                await helper.publish(upload)
        finally:
            own_server.launch()
        monkeypatch.setattr(metadata._database.writer._engine.sync_engine.dialect, "do_commit", commit)
        assert await helper.count(files, uploads) == (0, 1)
        await metadata.close()


async def test_other_writes_are_not_repeated_after_their_commit(cut, fails):
    """A change that cannot be looked up is not made twice: its client is told that the outcome is open."""
    cutter, helper = cut
    record = await helper.upload()
    cutter.moment = "after"
    with fails(Code.DATABASE_UNAVAILABLE):
        await helper.metadata.delete_files([record.id], MINUTE)
    assert await helper.metadata.file(record.id) is None


# Connections


async def test_a_process_uses_no_more_connections_than_it_may(postgres_url, outside):
    """Reads and writes share the connections; what comes when all are busy waits for its turn."""
    metadata = Metadata(postgres_url, connections=3)
    await metadata.open()
    busy, release = asyncio.Barrier(4), asyncio.Event()

    async def hold(connection):
        await connection.execute(select(1))
        await busy.wait()
        await release.wait()

    database = metadata._database
    held = [asyncio.create_task(pool.run(hold)) for pool in (database.writer, database.reader, database.reader)]
    async with asyncio.timeout(SECONDS):
        await busy.wait()
    waiting = asyncio.create_task(metadata.ping())
    count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    assert await outside.fetchval(count) == 3
    assert not waiting.done()
    release.set()
    await asyncio.gather(*held, waiting)
    assert await outside.fetchval(count) == 3
    await metadata.close()


async def test_closing_ends_all_connections(postgres_url, outside):
    """After closing, the server has none left."""
    metadata = Metadata(postgres_url)
    await metadata.open()
    await asyncio.gather(*(metadata.ping() for _ in range(10)))
    await metadata.close()
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    for _ in range(SECONDS * 100):  # a server's process takes a moment to end
        if not await outside.fetch(query):
            return
        await asyncio.sleep(0.01)
    pytest.fail("there are connections left")


async def test_a_reader_cannot_write(metadata, fails):
    """A statement that writes on a reading connection is refused."""
    with fails(Code.DATABASE_UNAVAILABLE):
        await metadata._database.reader.run(lambda c: c.execute(text("DELETE FROM uploads")))


# Starting


@pytest.fixture(scope="module")
async def locked_url(own_server):
    """A database of the server that asks for a password, which is `right`."""
    url = make_url(await own_server.new_database()).set(username="locked", password="right")
    await own_server.execute("CREATE ROLE locked LOGIN PASSWORD 'right'")
    [[path]] = await own_server.execute("SHOW hba_file")
    lines = "host all locked 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
    await own_server.execute(f"COPY (SELECT unnest(string_to_array('{lines.strip()}', E'\\n'))) TO '{path}'")
    await own_server.execute("SELECT pg_reload_conf()")
    await own_server.execute("GRANT ALL ON SCHEMA public TO locked", database=url.database)
    return url


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"password": "secret"}, "password authentication failed"),
        ({"username": "nobody_known"}, "does not exist"),
        ({"database": "missing"}, '"missing" does not exist'),
        ({"port": 1}, "Connect call failed"),
        ({"host": "nowhere.invalid"}, ""),
    ],
)
async def test_a_database_that_does_not_let_us_in_stops_the_start(locked_url, change, why):
    """One line names the setting, the server and the reason, and never the password."""
    with pytest.raises(CannotStart, match="SATCHEL_DATABASE_URL") as raised:
        await Metadata(locked_url.set(**change).render_as_string(hide_password=False)).open()
    line = str(raised.value)
    assert "\n" not in line
    assert why in line
    assert "secret" not in line
    assert "right" not in line


async def test_a_password_lets_us_in(locked_url):
    """The URL's user and password are what the server is told."""
    metadata = Metadata(locked_url.render_as_string(hide_password=False))
    await metadata.open()
    await metadata.ping()
    await metadata.close()


async def test_a_user_that_may_not_make_tables_stops_the_start(locked_url, own_server):
    """Missing rights are told in the same way."""
    url = make_url(await own_server.new_database()).set(username="locked", password="right")
    with pytest.raises(CannotStart, match="permission denied"):
        await Metadata(url.render_as_string(hide_password=False)).open()


@pytest.mark.parametrize("url", ["postgresql://u:se@cret@host/db", "postgresql://u:se/cret@host:x/db"])
def test_a_password_in_a_broken_url_is_not_told(url):
    """Where the password was not encoded, no piece of it appears in the complaint."""
    with pytest.raises(ValueError, match="database") as raised:
        Metadata(url)
    assert "cret" not in str(raised.value)


# The order of events


async def in_transaction(metadata, file_id, name, begun, release):
    """Rename a file in a transaction that stays open until it is released."""

    async def work(connection):
        await Metadata.rename_file.__wrapped__(metadata, connection, file_id, name)
        begun.set()
        await release.wait()

    await metadata._database.writer.run(work)


@pytest.fixture
async def held(metadata, helper):
    """A rename whose transaction goes on until `release` is set: the task, `release`, and the place before."""
    record = await helper.upload("held", "before")
    head = await metadata.event_head()
    begun, release = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(in_transaction(metadata, record.id, "late", begun, release))
    await begun.wait()
    yield task, release, head
    release.set()
    await task


async def test_what_commits_late_is_not_skipped(metadata, helper, held):
    """An event waits for the transactions that began before its own; then all come, in one order."""
    task, release, head = held
    await helper.upload("later", "later")
    assert await metadata.events_after(head, 10) == []
    assert await metadata.events_pending(head)
    assert await metadata.event_head() == head
    release.set()
    await task
    told = await metadata.events_after(head, 10)
    assert [event.record.filename for event in told] == ["late", "later"]
    assert await metadata.event_head() == told[-1].position
    assert not await metadata.events_pending(told[-1].position)


async def test_a_head_is_before_all_that_commits_late(metadata, helper, held):
    """A cursor that is taken while a transaction runs gives that transaction's events when it is through."""
    task, release, _ = held
    await helper.upload("later", "later")
    head = await metadata.event_head()
    release.set()
    await task
    assert [event.record.filename for event in await metadata.events_after(head, 10)] == ["late", "later"]


async def test_pruning_leaves_room_for_what_commits_late(metadata, helper, held):
    """The horizon never passes a transaction that still runs."""
    task, release, head = held
    await helper.upload("later", "later")
    assert await metadata.prune_events(timedelta(seconds=-1), 0) == 1  # what came before both
    release.set()
    await task
    assert [event.record.filename for event in await metadata.events_after(head, 10)] == ["late", "later"]


async def test_readers_at_any_time_see_one_order_and_miss_nothing(metadata, helper):
    """With many transactions of any length side by side, every reader gets every event once, all in the same order."""
    writers, changes = 8, 25
    chance = random.Random(7)
    records = [await helper.upload(f"{writer}") for writer in range(writers)]
    start = await metadata.event_head()

    async def write(record):
        for change in range(changes):
            begun, release = asyncio.Event(), asyncio.Event()
            task = asyncio.create_task(in_transaction(metadata, record.id, f"{change}", begun, release))
            await begun.wait()
            await asyncio.sleep(chance.random() ** 4 / 20)
            release.set()
            await task

    async def read(page):
        seen, position = [], start
        while len(seen) < writers * changes:
            events = await metadata.events_after(position, page)
            seen += events
            position = seen[-1].position if seen else start
            await asyncio.sleep(chance.random() / 200)
        return seen

    async def take_heads():
        heads = []
        for _ in range(50):
            head = await metadata.event_head()
            heads.append((head, await metadata.events_after(start, 1000)))
            await asyncio.sleep(chance.random() / 50)
        return heads

    async with asyncio.timeout(SECONDS):
        readers = (read(page) for page in (1, 7, 500))
        _, heads, *readings = await asyncio.gather(asyncio.gather(*map(write, records)), take_heads(), *readers)
    told = readings[0]
    assert told == readings[1] == readings[2]
    assert len(told) == writers * changes
    for record in records:
        names = [event.record.filename for event in told if event.record.id == record.id]
        assert names == [f"{change}" for change in range(changes)]
    for head, seen in heads:  # what a cursor lies behind was there when it was taken
        behind = [event for event in told if event.position <= head]
        assert behind == seen[: len(behind)]


async def test_a_log_of_another_server_is_not_continued(postgres_url, metadata, helper, fails):
    """After a dump was restored where transactions have lower numbers, cursors expire and new events come again."""
    await helper.upload()
    await helper.write(update(events).values(transaction=2**50))
    cursor = metadata.encode_cursor(await metadata.event_head())
    restored = Metadata(postgres_url)
    await restored.open()
    with fails(Code.CURSOR_EXPIRED):
        restored.decode_cursor(cursor)
    head = await restored.event_head()
    record = await Helper(restored).upload("new")
    assert [event.record for event in await restored.events_after(head, 10)] == [record]
    await restored.close()
    again = Metadata(postgres_url)
    await again.open()
    assert again.decode_cursor(restored.encode_cursor(head)) == head
    await again.close()
