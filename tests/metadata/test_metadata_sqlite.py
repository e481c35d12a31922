"""A database in a file: its settings, its lock, a full disk."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from satchel.errors import CannotStart, Code
from satchel.metadata import Metadata, sqlite
from satchel.metadata.tables import blobs, files, uploads

MINUTE = timedelta(minutes=1)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "satchel.db"


@pytest.fixture
def database_url(file):
    return f"sqlite:///{file}"


@pytest.fixture
def outside(metadata, file):
    """Another program at the same file, without the manners to wait."""
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as connection:
        yield connection


@pytest.mark.parametrize("spoil", ["missing", "directory", "garbage"])
async def test_a_file_that_cannot_be_opened_stops_the_start(file, database_url, spoil, capfd):
    """One line names the setting, the file and the reason, and nothing else is complained of."""
    if spoil == "missing":
        database_url = database_url.replace("satchel.db", "missing/satchel.db")
    elif spoil == "directory":
        file.mkdir()
    else:
        file.write_bytes(b"this is no database" * 1000)
    with pytest.raises(CannotStart, match=r"satchel\.db .*SATCHEL_DATABASE_URL") as raised:
        await Metadata(database_url).open()
    assert "\n" not in str(raised.value)
    assert capfd.readouterr().err == ""


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
    pragmas = ("PRAGMA busy_timeout = 50", *sqlite.PRAGMAS[1:])
    monkeypatch.setattr(sqlite, "PRAGMAS", pragmas)


async def test_a_lock_held_too_long_is_unavailable(impatient, database_url, metadata, outside, helper, fails):
    """A write that cannot get the lock fails cleanly, and works again once the lock is gone."""
    outside.execute("BEGIN IMMEDIATE")
    with fails(Code.DATABASE_UNAVAILABLE):
        await metadata.begin_upload("object", MINUTE)
    outside.execute("COMMIT")
    await metadata.begin_upload("object", MINUTE)


async def test_a_full_disk_is_told_and_survived(metadata, helper, fails):
    """Without room writing fails as such, nothing is half done, and reading and deleting go on."""
    record = await helper.upload("kept")

    async def limit(connection, pages):
        await connection.execute(text(f"PRAGMA max_page_count = {pages}"))

    upload = await helper.prepare("large", content_type="x" * 2 * sqlite.RESERVE)
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
    sizes = [path.stat().st_size for path in (file, Path(f"{file}-wal"))]
    assert min(sizes) >= sqlite.RESERVE
    records = [await helper.upload(f"{index}") for index in range(40)]
    await metadata.delete_files([record.id for record in records], MINUTE)
    assert [path.stat().st_size for path in (file, Path(f"{file}-wal"))] == sizes


async def test_closing_leaves_one_file(file, helper, metadata):
    """After the last one has closed, the database is a single file that can be copied."""
    await helper.upload()
    await metadata.close()
    assert sorted(path.name for path in file.parent.iterdir()) == ["satchel.db"]
