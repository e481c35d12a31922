"""What holds on every database: opening, sharing, breaking, cancelling and closing."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, literal, select, text
from sqlalchemy.exc import DBAPIError, StatementError

from publishing import Helper
from satchel.errors import Code
from satchel.metadata import FileFilter, FileOrder, Metadata, database, pool
from satchel.metadata.clock import Moment, now
from satchel.metadata.tables import blobs, files, uploads

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def narrow(database_url):
    """A store that has one turn for all writes."""
    store = Metadata(database_url, connections=1)
    await store.open()
    yield store
    await store.close()


# Opening


async def test_opening_again_keeps_everything(database_url, metadata, helper):
    """What was published is there after a restart."""
    record = await helper.upload()
    again = Metadata(database_url)
    await again.open()
    assert await again.file(record.id) == record
    await again.close()


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://h/db", "satchel.db", "postgresql://h:x/db"]
)
def test_an_unusable_url_is_refused(url):
    """The constructor says so, before anything is opened."""
    with pytest.raises(ValueError, match="database"):
        Metadata(url)


@pytest.mark.parametrize("constraint", [{"sha256": "short"}, {"size": -1}])
async def test_the_tables_refuse_nonsense(helper, constraint):
    """The last line of defence is the database's own."""
    row = {"sha256": "0" * 64, "size": 1, "object_name": "name", **constraint}
    with pytest.raises(StatementError):
        await helper.write(insert(blobs).values(row))


async def test_the_clock_is_the_databases(metadata):
    """The SQL clock agrees with the wall, takes offsets, and is in UTC."""

    async def read(connection):
        return (await connection.execute(select(now(), now(MINUTE), now(-MINUTE)))).one()

    before = datetime.now(UTC)
    present, future, past = await metadata._database.reader.run(read)
    assert abs(present - before) < timedelta(seconds=5)
    assert (future - present, present - past) == (MINUTE, MINUTE)
    assert present.tzinfo is UTC


@pytest.mark.parametrize(
    "moment",
    [  # the very first and last are minus and plus infinity to PostgreSQL's driver
        datetime(1, 1, 1, microsecond=1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_998, UTC),
    ],
)
async def test_moments_are_exact_to_the_microsecond(metadata, moment):
    """Any moment comes back as it was, also before 1970."""

    async def read(connection):
        return (await connection.execute(select(literal(moment, Moment())))).scalar_one()

    assert await metadata._database.reader.run(read) == moment


# Sharing


async def test_a_read_sees_one_snapshot(metadata, helper):
    """What is committed during a read is not seen by it."""

    async def count_twice(connection):
        counts = []
        for _ in range(2):
            counts.append((await connection.execute(select(files.c.id))).all())
            await helper.upload()
        return counts

    first, second = await metadata._database.reader.run(count_twice)
    assert first == second
    assert await helper.count(files) == (2,)


async def test_a_turn_that_does_not_come_is_unavailable(monkeypatch, narrow, fails):
    """A transaction waits for its turn only so long, and takes nobody else's."""
    monkeypatch.setattr(pool, "TURN_TIMEOUT", 0.05)
    release = asyncio.Event()
    slow = asyncio.create_task(narrow._database.writer.run(lambda _: release.wait()))
    await asyncio.sleep(0)
    with fails(Code.DATABASE_UNAVAILABLE):
        await narrow.begin_upload("object", MINUTE)
    release.set()
    await slow
    await narrow.begin_upload("object", MINUTE)


async def test_a_database_that_is_silent_is_not_waited_for_by_who_only_asks(monkeypatch, narrow, fails):
    """Its state is told soon, however long those wait who need it."""
    monkeypatch.setattr(database, "PING_TIMEOUT", 0.05)
    silent = asyncio.Event()
    monkeypatch.setattr(narrow._database.reader, "run", lambda _: silent.wait())
    with fails(Code.DATABASE_UNAVAILABLE):
        await narrow.ping()


# Breaking


async def test_our_own_mistakes_are_not_failures_of_the_database(helper):
    """A statement that is wrong stays the exception that it is."""
    with pytest.raises(DBAPIError):
        await helper.write(text("SELECT nothing FROM nowhere"))


async def test_a_failed_transaction_leaves_nothing(metadata, helper):
    """An exception in mid-transaction undoes what came before it, and the next one finds a clean connection."""

    async def fail(connection):
        await connection.execute(insert(blobs).values(sha256="0" * 64, size=1, object_name="x"))
        raise RuntimeError("planted")

    with pytest.raises(RuntimeError, match="planted"):
        await metadata._database.writer.run(fail)
    assert await helper.count(blobs) == (0,)
    await helper.upload()


# Cancelling


async def test_cancelled_callers_leave_no_transaction_open(database_url, metadata, helper):
    """Whenever a caller goes away, the transaction ends, the connections are whole and the locks are free."""

    async def use(index):
        await helper.upload(f"{index}", f"{index}")
        await metadata.list_files(10, None, FileFilter(), FileOrder.FILENAME_ASC)
        await metadata.renew_uploads([], MINUTE)

    for step in range(60):
        tasks = [asyncio.create_task(use(f"{step} {index}")) for index in range(4)]
        await asyncio.sleep(step / 2000)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await helper.upload("after", "after")
    for used in (metadata._database.writer, metadata._database.reader):
        await used.drain()
        assert used._engine.pool.checkedout() == 0
    other = Metadata(database_url)
    await other.open()
    await other.delete_files([row["id"] for row in await helper.rows(files)][:5], MINUTE)
    await other.close()
    file_rows, blob_rows = await helper.rows(files), await helper.rows(blobs)
    assert {row["blob_id"] for row in file_rows} == {row["id"] for row in blob_rows}


async def test_a_caller_that_leaves_while_waiting_changes_nothing(narrow):
    """A transaction that has not begun is not begun for nobody."""
    release = asyncio.Event()
    slow = asyncio.create_task(narrow._database.writer.run(lambda _: release.wait()))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(narrow.begin_upload("object", MINUTE))
    await asyncio.sleep(0.01)
    waiting.cancel()
    release.set()
    await asyncio.gather(slow, waiting, return_exceptions=True)
    assert waiting.cancelled()
    assert await Helper(narrow).count(uploads) == (0,)


async def test_a_transaction_that_has_begun_is_completed(metadata, helper):
    """A caller that leaves in the middle does not undo what it has ordered."""
    begun, release = asyncio.Event(), asyncio.Event()

    async def slow(connection):
        await connection.execute(insert(blobs).values(sha256="0" * 64, size=1, object_name="x"))
        begun.set()
        await release.wait()

    caller = asyncio.create_task(metadata._database.writer.run(slow))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    release.set()
    await metadata.begin_upload("next", MINUTE)
    assert await helper.count(blobs) == (1,)


async def test_closing_waits_for_what_is_under_way(database_url, fails):
    """Transactions that have begun when the store is closed are committed."""
    store = Metadata(database_url)
    await store.open()
    uploading = asyncio.create_task(store.begin_upload("object", MINUTE))
    await asyncio.sleep(0)
    await store.close()
    upload_id = await uploading
    again = Metadata(database_url)
    await again.open()
    assert await again.renew_uploads([upload_id], MINUTE) == {upload_id}
    await again.close()
