"""The history of the tables: every database of an earlier version becomes one of today's, with all that was in it."""

import asyncio
import hashlib
import random
import sys
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, MetaData, Uuid, create_engine, literal, select, text

from publishing import Helper
from satchel.errors import CannotStart
from satchel.metadata import EventKind, FileFilter, FileKind, FileOrder, FileRecord, Metadata, Position, listing
from satchel.metadata.blocks import CHUNK
from satchel.metadata.clock import Moment, to_microseconds
from satchel.metadata.migrations import HEAD, configuration, upgrade
from satchel.metadata.names import fold, natural_key
from satchel.metadata.tables import schema

REVISIONS = [script.revision for script in ScriptDirectory.from_config(configuration(None)).walk_revisions()][::-1]
SECONDS = 60
FUTURE = datetime(2999, 1, 1, tzinfo=UTC)

RECORDS = [
    FileRecord(
        id=UUID(int=number),
        filename=name,
        content_type="image/png",
        kind=FileKind.IMAGE,
        size=size,
        sha256=hashlib.sha256(content).hexdigest(),
        object_name=f"o/{content.decode()}",
        upload_date=datetime(2026, 1, number, 12, 0, 0, number, UTC),
    )
    for number, (name, content, size) in enumerate(
        [("img10.png", b"shared", 2**40), ("Img2.png", b"shared", 2**40), ("Grüße 🎒.png", b"own", 0)], start=1
    )
]


@pytest.fixture
async def empty_url(request, tmp_path, postgres, kind):
    """A database without any tables."""
    return f"sqlite:///{tmp_path}/satchel.db" if kind == "sqlite" else await postgres.new_database()


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request):
    return request.param


async def on(url, work):
    """Call something with a synchronous connection, in one transaction."""
    store = Metadata(url)
    try:
        await store._database.writer.run(lambda c: c.run_sync(work))
    finally:
        await store.close()


def fill(connection):
    """Put rows into all tables as the first revision has them."""
    first = MetaData()
    first.reflect(connection)

    def put(table, **values):
        connection.execute(first.tables[table].insert().values(**values))

    def moment(value):
        return literal(value, Moment())

    for number, (content, size) in enumerate([("shared", 2**40), ("own", 0)], start=1):
        sha256 = hashlib.sha256(content.encode()).hexdigest()
        put("blobs", id=number, sha256=sha256, size=size, object_name=f"o/{content}")
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT setval('blobs_id_seq', 2)"))
    for record in RECORDS:
        put(
            "files",
            id=literal(record.id, Uuid()),
            blob_id=1 if record.size else 2,
            filename=record.filename,
            content_type=record.content_type,
            kind=record.kind.value,
            size=record.size,
            upload_date=moment(record.upload_date),
            sort_key=natural_key(record.filename),
            search_key=fold(record.filename),
        )
        snapshot = {**vars(record), "id": str(record.id), "kind": record.kind.value}
        snapshot["upload_date"] = to_microseconds(record.upload_date)
        file_id = literal(record.id, Uuid())
        put(
            "events",
            kind="UPLOADED",
            file_id=file_id,
            snapshot=literal(snapshot, JSON()),
            created=moment(record.upload_date),
        )
    put("uploads", id=literal(UUID(int=9), Uuid()), object_name="o/begun", lease_until=moment(FUTURE))
    put("garbage", object_name="o/garbage", not_before=moment(RECORDS[0].upload_date))
    fingerprint = hashlib.sha256(f"{RECORDS[2].sha256} {RECORDS[2].filename}".encode()).hexdigest()
    file_id = literal(RECORDS[2].id, Uuid())
    put("idempotency_keys", key="key", fingerprint=fingerprint, file_id=file_id, expires_at=moment(FUTURE))


@pytest.mark.parametrize("revision", REVISIONS)
async def test_a_database_of_every_revision_is_brought_up_to_date(empty_url, revision, monkeypatch):
    """Whatever version made it, opening it is enough, and everything in it is there and goes on working."""
    monkeypatch.setattr(listing, "STRETCH", 1)  # so that the search goes through its index
    await on(empty_url, lambda connection: upgrade(connection, REVISIONS[0]))
    await on(empty_url, fill)
    await on(empty_url, lambda connection: upgrade(connection, revision))
    metadata = Metadata(empty_url)
    await metadata.open()
    helper = Helper(metadata)

    by_name = await metadata.list_files(10, None, FileFilter(), FileOrder.FILENAME_ASC)
    assert by_name.records == [RECORDS[2], RECORDS[1], RECORDS[0]]
    for order, expected in ((FileOrder.UPLOAD_DATE_ASC, RECORDS), (FileOrder.SIZE_ASC, [RECORDS[2], *RECORDS[:2]])):
        assert (await metadata.list_files(10, None, FileFilter(), order)).records == expected
    for term in ("img", "grüße", "🎒", "g"):
        found = await metadata.list_files(10, None, FileFilter(search=term), FileOrder.UPLOAD_DATE_ASC)
        assert found.records == [record for record in RECORDS if term in record.filename.lower()]
    assert await metadata.claim_garbage(10, timedelta(minutes=1)) == ["o/garbage"]
    assert await metadata.renew_uploads([UUID(int=9)], timedelta(minutes=1)) == {UUID(int=9)}

    told = await metadata.events_after(Position(0, 0), 10)
    assert [(event.kind, event.record) for event in told] == [(EventKind.UPLOADED, record) for record in RECORDS]
    [again] = await helper.publish(await helper.prepare("own", RECORDS[2].filename, idempotency_key="key", size=0))
    assert again.record == RECORDS[2]
    [more] = await helper.publish(await helper.prepare("shared", "more", size=2**40))
    assert more.deduplicated
    assert await metadata.rename_file(RECORDS[0].id, "renamed")
    assert len(await metadata.delete_files([record.id for record in RECORDS], timedelta(0))) == 3
    assert await metadata.claim_garbage(10, timedelta(0)) != []
    assert len(await metadata.events_after(told[-1].position, 10)) == 5
    await metadata.close()


async def test_what_blocks_hold_is_kept_when_it_becomes_bits(empty_url):
    """Of every block, also where there are more than an integer has bits."""
    chance = random.Random(2)
    held = {(fence, gram) for fence in range(4, 200) for gram in chance.sample(["a", "ab", "'", "報告書"], 2)}
    found = set()

    def enter(connection):
        before = MetaData()
        before.reflect(connection, only=["fences", "fence_grams"])
        fences = [{"number": fence, "size": fence, "id": literal(UUID(int=fence), Uuid())} for fence, _ in held]
        for fence in {row["number"]: row for row in fences}.values():
            connection.execute(before.tables["fences"].insert().values(fence))
        rows = [{"fence": fence, "gram": gram, "writer": writer} for fence, gram in held for writer in (0, 7)]
        connection.execute(before.tables["fence_grams"].insert(), rows)

    def read(connection):
        for row in connection.execute(select(schema.tables["chunk_grams"])):
            found.update((row.chunk * CHUNK + bit, row.gram) for bit in range(CHUNK) if row.fences >> bit & 1)

    await on(empty_url, lambda connection: upgrade(connection, "0004"))
    await on(empty_url, enter)
    await on(empty_url, upgrade)
    await on(empty_url, read)
    assert found == held


def test_the_newest_revision_is_known_without_alembic():
    """By it a start sees that there is nothing to do."""
    assert REVISIONS[-1] == HEAD


async def test_models_and_revisions_agree(empty_url):
    """Alembic finds nothing in the tables that the revisions would have to change."""

    def compare(connection):
        upgrade(connection)
        command.check(configuration(connection))

    await on(empty_url, compare)


def test_sqlite_gets_the_same_definitions_from_both(tmp_path):
    """Checks and collations too, which Alembic does not compare."""

    def definitions(connection):
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master")
        found = {name: " ".join(sql.split()) if sql else None for name, sql in rows}
        return {name: sql for name, sql in found.items() if "alembic" not in name and "gram" not in name}

    with create_engine(f"sqlite:///{tmp_path}/migrated.db").begin() as connection:
        upgrade(connection)
        migrated = definitions(connection)
    with create_engine(f"sqlite:///{tmp_path}/created.db").begin() as connection:
        schema.create_all(connection)
        assert migrated == definitions(connection)


OPEN = """
import asyncio, sys
from datetime import timedelta
from satchel.metadata import Metadata
async def main():
    metadata = Metadata(sys.argv[1])
    sys.stdin.readline()
    await metadata.open()
    await metadata.begin_upload(sys.argv[2], timedelta(minutes=1))
    await metadata.close()
asyncio.run(main())
"""


async def test_many_processes_may_open_a_new_database(empty_url):
    """Whoever comes first builds the tables; the others wait, and then all work."""
    pipe = asyncio.subprocess.PIPE
    start = asyncio.create_subprocess_exec
    processes = [await start(sys.executable, "-c", OPEN, empty_url, f"{n}", stdin=pipe, stderr=pipe) for n in range(3)]
    try:
        async with asyncio.timeout(SECONDS):
            outputs = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    metadata = Metadata(empty_url)
    await metadata.open()
    assert len(await Helper(metadata).rows(schema.tables["uploads"])) == 3
    await metadata.close()


async def test_many_tasks_may_open_a_new_database(empty_url):
    """The same within one process."""
    stores = [Metadata(empty_url) for _ in range(5)]
    await asyncio.gather(*(store.open() for store in stores))
    await asyncio.gather(*(store.ping() for store in stores))
    await asyncio.gather(*(store.close() for store in stores))


async def test_a_newer_database_stops_the_start(empty_url):
    """An old version does not touch what a newer one has built, and says so in one line."""
    await on(empty_url, upgrade)
    newer = text("UPDATE alembic_version SET version_num = 'of the future'")
    await on(empty_url, lambda connection: connection.execute(newer))
    with pytest.raises(CannotStart, match=r"newer version .*SATCHEL_DATABASE_URL.*of the future") as raised:
        await Metadata(empty_url).open()
    assert "\n" not in str(raised.value)
