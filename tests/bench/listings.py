"""Pages of a long listing in both databases: every order, every filter, several depths; and what else takes time."""

import asyncio
import random
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import event
from uuid_utils.compat import uuid7

from bench.transfers import Result, Say
from postgres import Postgres
from satchel.metadata import FileFilter, FileKind, FileOrder, Metadata, Publication
from satchel.metadata.clock import to_microseconds
from satchel.metadata.listing import cursor as cursor_of
from satchel.metadata.migrations import upgrade
from satchel.metadata.names import fold, natural_key

PAGE = 50
DEPTHS = {"first page": 0.0, "a quarter in": 0.25, "middle": 0.5, "last page": 1.0}
EVERYTHING, IMAGES = "everything", "kind: images"
# Whose depths are compared with each other, from more readings than the others get.
DEPTH_LISTINGS = ((EVERYTHING, "UPLOAD_DATE_DESC"), (EVERYTHING, "FILENAME_ASC"), (IMAGES, "UPLOAD_DATE_DESC"))
MORE_READINGS = 10
DATABASES = SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"


# What is listed


@dataclass(frozen=True)
class Row:
    """A file."""

    id: UUID
    blob: int
    filename: str
    content_type: str
    kind: FileKind
    size: int
    moment: datetime
    sort_key: str
    search_key: str

    def values(self) -> tuple[Any, ...]:
        """As they stand in the table."""
        names = self.filename, self.content_type, self.kind.value
        return self.id, self.blob + 1, *names, self.size, self.moment, self.sort_key, self.search_key


_FILE = ("id", "blob_id", "filename", "content_type", "kind", "size", "upload_date", "sort_key", "search_key")
_BLOB = ("id", "sha256", "size", "object_name")

# By extension: kind, type, and the power of two about which the sizes lie.
_TYPES = {
    "jpg": (FileKind.IMAGE, "image/jpeg", 21),
    "heic": (FileKind.IMAGE, "image/heic", 20),
    "png": (FileKind.IMAGE, "image/png", 18),
    "pdf": (FileKind.PDF, "application/pdf", 18),
    "docx": (FileKind.OTHER, "application/vnd.openxmlformats-officedocument.wordprocessingml.document", 16),
    "txt": (FileKind.TEXT, "text/plain", 12),
    "gz": (FileKind.ARCHIVE, "application/gzip", 24),
    "mp4": (FileKind.VIDEO, "video/mp4", 27),
    "mp3": (FileKind.AUDIO, "audio/mpeg", 22),
    "bin": (FileKind.OTHER, "application/octet-stream", 15),
}
_CITIES = ("Berlin", "Paris", "Köln", "Zürich", "Oslo", "Praha", "Łódź", "Málaga", "Kyōto", "Nairobi")
_WORDS = (
    *("alpha", "budget", "contract", "draft", "estimate", "forecast", "guide", "handbook", "invoice", "journal"),
    *("kitchen", "ledger", "manual", "notes", "offer", "plan", "quote", "receipt", "summary", "ticket", "update"),
    *("voucher", "warranty", "yearbook"),
)
_RUSSIAN = ("Отчёт", "Договор", "Смета", "Фото", "Письмо", "План")
_MONTHS = ("январь", "февраль", "март", "апрель", "май", "июнь", "июль", "август")
_EAST_ASIAN = (
    "会議資料",
    "写真",
    "報告書",
    "請求書",
    "旅行計画",
    "名簿",
    "议程",
    "照片",
    "合同",
    "发票",
    "사진",
    "보고서",
)
RARE = "Zugspitze 鬱 {}.jpg"


def _report(draw: random.Random, _: int) -> str:
    return f"Report {draw.choice(_CITIES)} {draw.randint(2001, 2025)} Q{draw.randint(1, 4)} v{draw.randint(1, 30)}.pdf"


def _screenshot(draw: random.Random, _: int) -> str:
    day = f"2024-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}"
    return f"Screenshot {day} {draw.randint(0, 23):02d}.{draw.randint(0, 59):02d}.{draw.randint(0, 59):02d}.png"


def _office(draw: random.Random, _: int) -> str:
    extension = draw.choice(("pdf", "docx"))
    return f"{draw.choice(_WORDS)} {draw.choice(_WORDS)} {draw.randrange(10**5)}.{extension}"


# How names look, and how many of a thousand look so.
_NAMES: Sequence[tuple[int, Callable[[random.Random, int], str]]] = (
    (300, lambda draw, number: f"IMG_{number % 10_000:04d}.JPG"),
    (
        80,
        lambda draw, _: f"IMG_2024{draw.randint(1, 12):02d}{draw.randint(1, 28):02d}_{draw.randrange(10**6):06d}.heic",
    ),
    (60, lambda draw, _: f"DSC{draw.randrange(10**5):05d}.jpg"),
    (80, _screenshot),
    (100, _report),
    (100, _office),
    (60, lambda draw, _: f"{draw.choice(_RUSSIAN)} за {draw.choice(_MONTHS)} {draw.randint(2001, 2025)}.docx"),
    (60, lambda draw, _: f"{draw.choice(_EAST_ASIAN)}{draw.randint(1, 9999)}.{draw.choice(('jpg', 'pdf'))}"),
    (40, lambda draw, _: f"VID_{draw.randrange(10**6):06d}.mp4"),
    (30, lambda draw, _: f"{draw.randint(1, 20):02d} - {draw.choice(_WORDS).title()} {draw.choice(_WORDS)}.mp3"),
    (3, lambda draw, _: f"backup-{draw.randint(2015, 2025)}-{draw.randint(1, 12):02d}.tar.gz"),
    (37, lambda draw, _: f"{draw.randbytes(8).hex()}.bin"),
    (50, lambda draw, _: f"{draw.choice(_WORDS)}_{draw.choice(_WORDS)}.txt"),
)


def _rows(count: int) -> Iterator[Row]:
    """Files as years of uploads would have made them, in their order. A tenth are copies, many of those of one file."""
    draw = random.Random(7)
    shapes, weights = [shape for _, shape in _NAMES], [weight for weight, _ in _NAMES]
    sizes = [0]  # by blob; the first is the empty file
    first = datetime(2020, 1, 1, tzinfo=UTC)
    for number in range(count):
        filename = draw.choices(shapes, weights)[0](draw, number)
        if number in {count // 3, count // 2, count * 9 // 10}:
            filename = RARE.format(number)
        kind, content_type, power = _TYPES[filename.lower().rpartition(".")[2]]
        blob = len(sizes)
        if number == 0 or draw.random() < 0.1:
            blob = 0 if draw.random() < 0.2 else draw.randrange(len(sizes))
        else:
            sizes.append(int(2 ** draw.gauss(power, 2)))
        # Two files to each moment, so that ties are met too.
        moment = first + timedelta(minutes=number // 2 * 5)
        keys = natural_key(filename), fold(filename)
        yield Row(uuid7(), blob, filename, content_type, kind, sizes[blob], moment, *keys)


# The listings


@dataclass(frozen=True)
class Listing:
    """A filter, and the files that it lets through."""

    name: str
    where: FileFilter
    matches: Callable[[Row], bool]


def _listings(rows: Sequence[Row]) -> list[Listing]:
    """Common and rare matches, and none, of every filter; and what is hard for an index."""

    def search(what: str, term: str) -> Listing:
        folded = fold(term)
        return Listing(f"search: {what} `{term}`", FileFilter(search=term), lambda row: folded in row.search_key)

    def equal(name: str, **values: Any) -> Listing:
        [(attribute, value)] = values.items()
        return Listing(name, FileFilter(**values), lambda row: getattr(row, attribute) == value)

    def hashed(name: str, blob: int) -> Listing:
        return Listing(name, FileFilter(sha256=_sha256(blob)), lambda row: row.blob == blob)

    sizes = sorted(row.size for row in rows)
    large, small, middle = sizes[-max(1, len(sizes) // 2000)], sizes[len(sizes) // 50], sizes[len(sizes) // 2]
    start, end = rows[len(rows) // 2].moment, rows[len(rows) * 6 // 10].moment
    lately = rows[-max(1, len(rows) // 700)].moment
    return [
        Listing(EVERYTHING, FileFilter(), lambda _: True),
        equal(IMAGES, kind=FileKind.IMAGE),
        equal("kind: archives", kind=FileKind.ARCHIVE),
        equal("type: JPEG", content_type="image/jpeg"),
        equal("type: gzip", content_type="application/gzip"),
        equal("type: none has it", content_type="image/x-none"),
        hashed("hash: of many copies", 0),
        hashed("hash: of one file", rows[-1].blob),
        hashed("hash: unknown", len(rows) + 1),
        Listing("size: the largest", FileFilter(min_size=large), lambda row: row.size >= large),
        Listing("size: above the middle", FileFilter(min_size=middle), lambda row: row.size >= middle),
        Listing("size: the smallest", FileFilter(max_size=small), lambda row: row.size <= small),
        Listing("date: lately", FileFilter(uploaded_after=lately), lambda row: row.moment >= lately),
        Listing(
            "date: a tenth of the time",
            FileFilter(uploaded_after=start, uploaded_before=end),
            lambda row: start <= row.moment < end,
        ),
        search("common", "img"),
        search("common ending", ".pdf"),
        search("one in a hundred", "report berlin"),
        search("rare", "zugspitze"),
        search("rare, of common parts", "2024-01-02"),
        search("missing", "nothere"),
        search("one letter, common", "e"),
        search("one letter, rare", "鬱"),
        search("one letter, missing", "ж"),
        search("two letters, rare", "zu"),
        search("two letters, missing", "qx"),
        search("East Asian", "報告書1"),
        Listing(
            "images with `2024-03`",
            FileFilter(kind=FileKind.IMAGE, search="2024-03"),
            lambda row: row.kind is FileKind.IMAGE and "2024-03" in row.search_key,
        ),
    ]


_KEYS: dict[str, Callable[[Row], Any]] = {
    "UPLOAD_DATE": lambda row: row.moment,
    "FILENAME": lambda row: row.sort_key,
    "SIZE": lambda row: row.size,
}


@dataclass(frozen=True)
class Case:
    """A page, and what is on it."""

    listing: Listing
    order: FileOrder
    depth: str
    cursor: str | None
    ids: Sequence[UUID]
    matches: int


def _cases(rows: Sequence[Row]) -> Iterator[Case]:
    listings = _listings(rows)
    for name, key in _KEYS.items():
        ordered = sorted(rows, key=lambda row: (key(row), row.id))
        for listing in listings:
            listed = [row for row in ordered if listing.matches(row)]
            for order in (FileOrder[f"{name}_ASC"], FileOrder[f"{name}_DESC"]):
                for depth, share in DEPTHS.items():
                    start = int(max(0, len(listed) - PAGE) * share)
                    if share and not start:
                        continue  # that is the first page
                    last = listed[start - 1] if start else None
                    cursor = last and cursor_of(order, key(last), last.id)
                    ids = [row.id for row in listed[start : start + PAGE]]
                    yield Case(listing, order, depth, cursor, ids, len(listed))
                listed.reverse()


# The measurements


def pages(directory: Path, count: int, repeats: int, say: Say) -> list[Result]:
    """Time the same pages, and some other reads and writes, among `count` files in each database."""
    rows = list(_rows(count))
    cases = list(_cases(rows))
    say(f"  {len(cases):,} pages of {count:,} files are made out")
    results = asyncio.run(_measure(SQLITE, f"sqlite:///{directory / 'satchel.db'}", rows, cases, repeats, say))
    with Postgres(_COUNTING) as server:
        url = asyncio.run(server.new_database())
        return results + asyncio.run(_measure(POSTGRESQL, url, rows, cases, repeats, say))


async def _measure(
    database: str, url: str, rows: Sequence[Row], cases: Sequence[Case], repeats: int, say: Say
) -> list[Result]:
    fill = {SQLITE: _fill_sqlite, POSTGRESQL: _fill_postgresql}[database]
    metadata = Metadata(url)
    meter = {SQLITE: _SqliteMeter, POSTGRESQL: _PostgresqlMeter}[database](metadata, url)
    try:
        # As before there were blocks, which are then made of the files by the migration.
        await metadata._database.writer.run(lambda c: c.run_sync(upgrade, "0002"))
        await fill(url, rows)
        await metadata.open()
        if database == POSTGRESQL:
            await _vacuum(url)
        say(f"  {database}: {len(rows):,} files are in")
        told = {"database": database, "files": len(rows)}
        results = [{**told, **result} for result in await _time_pages(metadata, meter, cases, repeats)]
        say(f"  {database}: pages are measured")
        others = {**_reads(metadata, rows), **_writes(metadata)}
        results += [{**told, "what": what, "seconds": await _time_other(run)} for what, run in others.items()]
        return results
    finally:
        await metadata.close()


async def _time_pages(
    metadata: Metadata, meter: "_SqliteMeter | _PostgresqlMeter", cases: Sequence[Case], repeats: int
) -> list[Result]:
    spent = _statement_times(metadata)
    inside: list[list[float]] = [[] for _ in cases]
    whole: list[list[float]] = [[] for _ in cases]
    # The same page does not come twice in a row, nor do its depths: what one has read would be at hand for the next.
    sequence = random.Random(1)
    compared = [i for i, case in enumerate(cases) if (case.listing.name, case.order.value) in DEPTH_LISTINGS]
    turns = [*range(len(cases)), *compared * (MORE_READINGS - 1)]
    async with meter:
        for _ in range(repeats):
            for index in sequence.sample(turns, len(turns)):
                case = cases[index]
                await meter.reset()
                spent.clear()
                page = await metadata.list_files(PAGE, case.cursor, case.listing.where, case.order)
                inside[index].append(await meter.read())
                whole[index].append(sum(spent))
                assert [record.id for record in page.records] == case.ids, f"the page holds other files: {case}"
    return [
        {
            "what": "page",
            "listing": case.listing.name,
            "order": case.order.value,
            "depth": case.depth,
            "matches": case.matches,
            "seconds": in_database,
            "whole": taken,
        }
        for case, in_database, taken in zip(cases, inside, whole, strict=True)
    ]


def _statement_times(metadata: Metadata) -> list[float]:
    """Takes the seconds of each statement that reads: what the database needs, and the way there and back."""
    engine, times, starts = metadata._database.reader._engine.sync_engine, [], []
    event.listen(engine, "before_cursor_execute", lambda *_: starts.append(time.perf_counter()))
    event.listen(engine, "after_cursor_execute", lambda *_: times.append(time.perf_counter() - starts.pop()))
    return times


class _SqliteMeter(AbstractAsyncContextManager[None]):
    """The seconds in SQLite's library: in the calls that prepare a statement, run it and take its rows.

    They are made on a thread of their own; the way there and back is not counted.
    """

    def __init__(self, metadata: Metadata, _url: str) -> None:
        self._seconds = 0.0
        event.listen(metadata._database.reader._engine.sync_engine, "do_connect", self._watch)

    async def __aexit__(self, *_: object) -> None:
        pass

    async def reset(self) -> None:
        self._seconds = 0.0

    async def read(self) -> float:
        return self._seconds

    def _watch(self, _dialect: object, _record: object, _arguments: object, options: dict[str, Any]) -> None:
        """Have connections made that tell of their calls."""
        meter = self

        class Cursor(sqlite3.Cursor):
            def execute(self, *arguments: Any) -> Any:
                return meter._timed(super().execute, *arguments)

            def fetchall(self) -> Any:
                return meter._timed(super().fetchall)

        class Connection(sqlite3.Connection):
            def cursor(self, *_: Any) -> Any:
                return super().cursor(Cursor)

        options["factory"] = Connection

    def _timed(self, call: Callable[..., Any], *arguments: Any) -> Any:
        start = time.perf_counter()
        try:
            return call(*arguments)
        finally:
            self._seconds += time.perf_counter() - start


_COUNTING = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track_planning": "on"}
"""What the server is started with, so that it counts."""


class _PostgresqlMeter(AbstractAsyncContextManager[None]):
    """The seconds that the server planned and ran statements, by its own count.

    Not counted are the parsing of a statement, which a connection does once, and the way there and back.
    """

    def __init__(self, _metadata: Metadata, url: str) -> None:
        self._url = url

    async def __aenter__(self) -> None:
        self._connection = await asyncpg.connect(self._url)
        await self._connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        await self._connection.execute("SET pg_stat_statements.track = 'none'")  # not of this connection's own

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()

    async def reset(self) -> None:
        await self._connection.execute("SELECT pg_stat_statements_reset()")

    async def read(self) -> float:
        total = await self._connection.fetchval("SELECT sum(total_plan_time + total_exec_time) FROM pg_stat_statements")
        return float(total) / 1000


def _reads(metadata: Metadata, rows: Sequence[Row]) -> dict[str, Callable[[], Awaitable[Any]]]:
    """Other reads whose time may grow with the number of files."""
    hashes = [_sha256(row.blob) for row in rows[-PAGE:]]
    counts = {f"count: {listing.name}": listing.where for listing in _listings(rows)}
    return {
        **{what: (lambda where=where: metadata.count_files(where)) for what, where in counts.items()},
        "copies of a page": lambda: metadata.copies(hashes),
        "usage": metadata.usage,
    }


def _writes(metadata: Metadata) -> dict[str, Callable[[], Awaitable[Any]]]:
    """Writes of one file each, which keep all indexes; on the disk when they are done."""
    made: list[UUID] = []

    async def publish() -> None:
        number = len(made)
        object_name, sha256 = f"o/new {number}", f"{10**9 + number:064x}"
        upload_id = await metadata.begin_upload(object_name, timedelta(minutes=1))
        what = f"IMG_{number}.jpg", "image/jpeg", FileKind.IMAGE
        publication = Publication(upload_id, object_name, sha256, number, *what)
        [published] = await metadata.publish([publication], key_lifetime=timedelta(days=1))
        made.append(published.record.id)

    async def rename() -> None:
        made.append(made.pop(0))
        await metadata.rename_file(made[-1], f"{random.randbytes(6).hex()}.jpg")

    async def remove() -> None:
        await metadata.delete_files([made.pop()], timedelta(0))

    return {"an upload's two transactions": publish, "a rename": rename, "a deletion": remove}


async def _time_other(run: Callable[[], Awaitable[Any]], repeats: int = 15) -> list[float]:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        await run()
        seconds.append(time.perf_counter() - start)
    return seconds


# The rows' way into a database: past the service, and the indexes after them, which takes a minute and not ten.


def _sha256(blob: int) -> str:
    return f"{blob:064x}"


def _blob_values(rows: Sequence[Row]) -> list[tuple[int, str, int, str]]:
    sizes = {row.blob: row.size for row in rows}
    return [(blob + 1, _sha256(blob), size, f"o/{blob}") for blob, size in sizes.items()]


async def fill_database(path: Path, count: int) -> None:
    """Put files into a SQLite database that has its tables and no server."""
    await _fill_sqlite(f"sqlite:///{path}", list(_rows(count)))


async def _fill_sqlite(url: str, rows: Sequence[Row]) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        indexes = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'files'")
        made = [(name, sql) for name, sql in indexes.fetchall() if sql]
        connection.execute("BEGIN")
        for name, _ in made:
            connection.execute(f"DROP INDEX {name}")
        connection.executemany(f"INSERT INTO blobs ({', '.join(_BLOB)}) VALUES (?, ?, ?, ?)", _blob_values(rows))
        marks = ", ".join("?" * len(_FILE))
        values = ((row.id.hex, *row.values()[1:6], to_microseconds(row.moment), *row.values()[7:]) for row in rows)
        connection.executemany(f"INSERT INTO files ({', '.join(_FILE)}) VALUES ({marks})", values)
        connection.execute(
            "INSERT INTO files_grams (rowid, search_key) SELECT number, search_key || char(1, 1) FROM files"
        )
        for _, sql in made:
            connection.execute(sql)
        connection.execute("COMMIT")


async def _fill_postgresql(url: str, rows: Sequence[Row]) -> None:
    connection = await asyncpg.connect(url)
    try:
        made = await connection.fetch(
            "SELECT indexname AS name, indexdef AS sql FROM pg_indexes WHERE tablename = 'files'"
            " AND indexname NOT IN (SELECT conname FROM pg_constraint)"
        )
        for index in made:
            await connection.execute(f"DROP INDEX {index['name']}")
        await connection.copy_records_to_table("blobs", records=_blob_values(rows), columns=_BLOB)
        await connection.copy_records_to_table("files", records=[row.values() for row in rows], columns=_FILE)
        await connection.execute("SELECT setval('blobs_id_seq', (SELECT max(id) FROM blobs))")
        for index in made:
            await connection.execute(index["sql"])
    finally:
        await connection.close()


async def _vacuum(url: str) -> None:
    """What autovacuum does within minutes."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
