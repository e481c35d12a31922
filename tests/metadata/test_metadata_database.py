"""Opening, sharing, breaking and closing the database."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import create_engine, insert, literal, make_url, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import OperationalError, StatementError
from sqlalchemy.schema import CreateTable

from satchel.errors import Code
from satchel.metadata import FileFilter, FileOrder, Metadata, engine
from satchel.metadata.clock import Moment, now
from satchel.metadata.migrations import configuration, upgrade
from satchel.metadata.tables import blobs, files, schema, uploads

MINUTE = timedelta(minutes=1)


@pytest.fixture
def file(database_url):
    return make_url(database_url).database


@pytest.fixture
def outside(metadata, file):
    """Another program at the same file, without the manners to wait."""
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as connection:
        yield connection


# Opening


async def test_opening_again_keeps_everything(database_url, metadata, helper):
    """What was published is there after a restart."""
    record = await helper.upload()
    again = Metadata(database_url)
    await again.open()
    assert await again.file(record.id) == record
    await again.close()


async def test_many_processes_may_open_a_new_database(database_url):
    """Whoever comes first builds the tables; the others wait."""
    stores = [Metadata(database_url) for _ in range(5)]
    await asyncio.gather(*(store.open() for store in stores))
    await stores[0].begin_upload("object", MINUTE)
    await asyncio.gather(*(store.ping() for store in stores))
    await asyncio.gather(*(store.close() for store in stores))


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/db", "satchel.db"])
def test_an_unusable_url_is_refused(url):
    """The constructor says so, before anything is opened."""
    with pytest.raises(ValueError, match="database"):
        Metadata(url)


async def test_a_database_that_cannot_be_opened_is_unavailable(tmp_path, fails):
    """A missing directory is a failure from the table."""
    with fails(Code.DATABASE_UNAVAILABLE):
        await Metadata(f"sqlite:///{tmp_path}/missing/satchel.db").open()


async def test_a_newer_database_is_refused(database_url, metadata, outside, fails):
    """An old version does not touch what a newer one has built."""
    outside.execute("UPDATE alembic_version SET version_num = 'of the future'")
    with fails(Code.DATABASE_UNAVAILABLE):
        await Metadata(database_url).open()


# The schema


def test_migrations_build_the_tables(tmp_path):
    """Alembic finds nothing to change, and SQLite has the very same definitions, checks and defaults included."""

    def definitions(connection):
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'alembic%'")
        return {name: " ".join(sql.split()) if sql else None for name, sql in rows if "alembic" not in name}

    with create_engine(f"sqlite:///{tmp_path}/migrated.db").begin() as connection:
        upgrade(connection)
        command.check(configuration(connection))
        migrated = definitions(connection)
    with create_engine(f"sqlite:///{tmp_path}/created.db").begin() as connection:
        schema.create_all(connection)
        assert migrated == definitions(connection)


def test_the_other_dialect_gets_its_own_types():
    """Where a database has real timestamps and collations, the same tables use them."""
    ddl = str(CreateTable(files).compile(dialect=postgresql.dialect()))
    assert "upload_date TIMESTAMP WITH TIME ZONE" in ddl
    assert 'sort_key TEXT COLLATE "C"' in ddl
    assert "CURRENT_TIMESTAMP +" in str(select(now(MINUTE)).compile(dialect=postgresql.dialect()))


@pytest.mark.parametrize("constraint", [{"sha256": "short"}, {"size": -1}])
async def test_the_tables_refuse_nonsense(helper, constraint):
    """The last line of defence is the database's own."""
    row = {"sha256": "0" * 64, "size": 1, "object_name": "name", **constraint}
    with pytest.raises(StatementError):
        await helper.write(insert(blobs).values(row))


# The clock


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
    [datetime(1, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), datetime.max.replace(tzinfo=UTC)],
)
async def test_moments_are_exact_to_the_microsecond(metadata, moment):
    """Any moment comes back as it was, also before 1970."""

    async def read(connection):
        return (await connection.execute(select(literal(moment, Moment())))).scalar_one()

    assert await metadata._database.reader.run(read) == moment


# Sharing


async def test_settings_of_every_connection(metadata):
    """Commits are durable, references hold, readers cannot write."""

    async def read(connection):
        names = ("journal_mode", "synchronous", "foreign_keys", "trusted_schema", "query_only", "busy_timeout")
        return [(await connection.execute(text(f"PRAGMA {name}"))).scalar_one() for name in names]

    assert await metadata._database.writer.run(read) == ["wal", 2, 1, 0, 0, 10_000]
    assert await metadata._database.reader.run(read) == ["wal", 2, 1, 0, 1, 10_000]


async def test_a_reader_cannot_write(metadata, fails):
    """A statement that writes on a reading connection is refused."""

    async def write(connection):
        await connection.execute(text("DELETE FROM uploads"))

    with fails(Code.DATABASE_UNAVAILABLE):
        await metadata._database.reader.run(write)


async def test_reads_do_not_wait_for_a_writer(metadata, helper, outside):
    """While someone holds the write lock, everything can still be read."""
    record = await helper.upload()
    outside.execute("BEGIN IMMEDIATE")
    assert await asyncio.wait_for(metadata.file(record.id), 5) == record
    await asyncio.wait_for(metadata.ping(), 5)


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


async def test_a_write_waits_for_another_program(metadata, helper, outside):
    """A lock held from outside delays a write, and does not fail it."""
    outside.execute("BEGIN IMMEDIATE")
    upload = asyncio.create_task(helper.upload())
    await asyncio.sleep(0.3)
    assert not upload.done()
    outside.execute("COMMIT")
    await upload


@pytest.fixture
def impatient(monkeypatch):
    """SQLite gives up after 50 ms instead of seconds."""
    pragmas = ("PRAGMA busy_timeout = 50", *engine._SQLITE[1:])
    monkeypatch.setattr(engine, "_SQLITE", pragmas)


async def test_a_lock_held_too_long_is_unavailable(impatient, database_url, metadata, outside, helper, fails):
    """A write that cannot get the lock fails cleanly, and works again once the lock is gone."""
    outside.execute("BEGIN IMMEDIATE")
    with fails(Code.DATABASE_UNAVAILABLE):
        await metadata.begin_upload("object", MINUTE)
    outside.execute("COMMIT")
    await metadata.begin_upload("object", MINUTE)


async def test_a_turn_that_does_not_come_is_unavailable(monkeypatch, metadata, fails):
    """A transaction waits for its turn only so long, and takes nobody else's."""
    monkeypatch.setattr(engine, "TURN_TIMEOUT", 0.05)
    release = asyncio.Event()
    slow = asyncio.create_task(metadata._database.writer.run(lambda _: release.wait()))
    await asyncio.sleep(0)
    with fails(Code.DATABASE_UNAVAILABLE):
        await metadata.begin_upload("object", MINUTE)
    release.set()
    await slow
    await metadata.begin_upload("object", MINUTE)


# Breaking


async def test_a_full_disk_is_told_and_survived(metadata, helper, fails):
    """Without room writing fails as such, nothing is half done, and reading and deleting go on."""
    record = await helper.upload("kept")

    async def limit(connection, pages):
        await connection.execute(text(f"PRAGMA max_page_count = {pages}"))

    upload = await helper.prepare("large", content_type="x" * 2 * engine.RESERVE)
    await metadata._database.writer.run(lambda c: limit(c, 1))  # the smallest possible: the present size
    with fails(Code.INSUFFICIENT_STORAGE):
        await helper.publish(upload)
    assert await metadata.file(record.id) == record
    assert await helper.count(files, blobs, uploads) == (1, 1, 1)
    assert await metadata.delete_files([record.id], MINUTE) == [record]
    await metadata._database.writer.run(lambda c: limit(c, 2**30))
    await helper.publish(upload)


async def test_room_is_set_aside_for_deleting(metadata, helper, file):
    """Working does not need more room than was taken when opening: on a full disk, files can still be deleted."""
    sizes = [path.stat().st_size for path in (Path(file), Path(f"{file}-wal"))]
    assert min(sizes) >= engine.RESERVE
    records = [await helper.upload(f"{index}") for index in range(40)]
    await metadata.delete_files([record.id for record in records], MINUTE)
    assert [path.stat().st_size for path in (Path(file), Path(f"{file}-wal"))] == sizes


async def test_our_own_mistakes_are_not_failures_of_the_database(helper):
    """A statement that is wrong stays the exception that it is."""
    with pytest.raises(OperationalError):
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


async def test_cancelled_callers_leave_no_transaction_open(metadata, helper, outside):
    """Whenever a caller goes away, the transaction ends, the connections are whole and the lock is free."""

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
    outside.execute("BEGIN IMMEDIATE")
    outside.execute("ROLLBACK")
    for pool in (metadata._database.writer, metadata._database.reader):
        while pool._running:
            await asyncio.wait(pool._running)
        assert pool._engine.pool.checkedout() == 0
    file_rows, blob_rows = await helper.rows(files), await helper.rows(blobs)
    assert {row["blob_id"] for row in file_rows} == {row["id"] for row in blob_rows}


async def test_a_caller_that_leaves_while_waiting_changes_nothing(metadata, helper):
    """A transaction that has not begun is not begun for nobody."""
    release = asyncio.Event()
    slow = asyncio.create_task(metadata._database.writer.run(lambda _: release.wait()))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(metadata.begin_upload("object", MINUTE))
    await asyncio.sleep(0.01)
    waiting.cancel()
    release.set()
    await asyncio.gather(slow, waiting, return_exceptions=True)
    assert waiting.cancelled()
    assert await helper.count(uploads) == (0,)


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


async def test_closing_leaves_one_file(file, helper, metadata):
    """After the last one has closed, the database is a single file that can be copied."""
    await helper.upload()
    await metadata.close()
    assert sorted(path.name for path in Path(file).parent.iterdir()) == ["satchel.db"]
