"""Pages of a long listing: whether the last one costs what the first one does."""

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from uuid_utils.compat import uuid7

from bench.transfers import Result, Say
from satchel.metadata import FileFilter, FileKind, FileOrder, Metadata
from satchel.metadata.database import _listing_cursor, _name_columns
from satchel.metadata.tables import blobs, files

PAGE = 50
BATCH = 10_000
DEPTHS = {"first page": 0.0, "a quarter in": 0.25, "middle": 0.5, "last page": 1.0}
NEWEST, BY_NAME, IMAGES = "newest first", "by name", "images, newest first"
LISTINGS = {
    NEWEST: (FileOrder.UPLOAD_DATE_DESC, FileFilter()),
    BY_NAME: (FileOrder.FILENAME_ASC, FileFilter()),
    IMAGES: (FileOrder.UPLOAD_DATE_DESC, FileFilter(kind=FileKind.IMAGE)),
}
_SUFFIXES = {FileKind.IMAGE: "jpg", FileKind.PDF: "pdf", FileKind.TEXT: "txt", FileKind.OTHER: "bin"}


@dataclass(frozen=True)
class Row:
    """What the orders go by."""

    number: int
    id: UUID
    moment: datetime
    kind: FileKind
    names: dict[str, str]


def pages(directory: Path, count: int, repeats: int, say: Say) -> list[Result]:
    """Time pages of the listings at several depths among `count` files, one depth after the other in each repeat."""
    return asyncio.run(_pages(directory, count, repeats, say))


async def _pages(directory: Path, count: int, repeats: int, say: Say) -> list[Result]:
    metadata = Metadata(f"sqlite:///{directory / 'satchel.db'}")
    await metadata.open()
    try:
        rows = await _insert(metadata, count)
        say(f"  {count:,} files are in")
        results = []
        for listing in LISTINGS:
            places = _places(listing, rows)
            seconds: dict[str, list[float]] = {depth: [] for depth in places}
            for _ in range(repeats):
                for depth, (cursor, expected) in places.items():
                    seconds[depth].append(await _time_page(metadata, listing, cursor, expected))
            results += [{"listing": listing, "depth": d, "files": count, "seconds": s} for d, s in seconds.items()]
            say(f"  {listing} is measured")
        return results
    finally:
        await metadata.close()


async def _insert(metadata: Metadata, count: int) -> list[Row]:
    """Files as uploads would have made them, in the order of their uploads, each with bytes of its own."""
    rows = []
    for start in range(0, count, BATCH):
        batch = list(_rows(start, min(count, start + BATCH)))
        await _insert_batch(metadata, batch)
        rows += batch
    return rows


def _rows(start: int, stop: int) -> Iterator[Row]:
    draw = random.Random(start)
    first = datetime(2025, 1, 1, tzinfo=UTC)
    kinds = list(_SUFFIXES)
    for number in range(start, stop):
        kind = draw.choice(kinds)
        name = f"{draw.choice(('Report', 'IMG', 'scan', 'Übersicht'))} {draw.randrange(10**6)}.{_SUFFIXES[kind]}"
        # Two files to each moment, so that ties are met too.
        yield Row(number, uuid7(), first + timedelta(seconds=number // 2), kind, _name_columns(name))


async def _insert_batch(metadata: Metadata, rows: list[Row]) -> None:
    def blob(row: Row) -> dict[str, Any]:
        name = f"o/{row.number:02x}/{row.id}"
        return {"id": row.number + 1, "sha256": f"{row.number:064x}", "size": row.number, "object_name": name}

    def file(row: Row) -> dict[str, Any]:
        return {
            "id": row.id,
            "blob_id": row.number + 1,
            "content_type": "application/octet-stream",
            "kind": row.kind.value,
            "size": row.number,
            "upload_date": row.moment,
            **row.names,
        }

    async def work(connection: Any) -> None:
        await connection.execute(insert(blobs), [blob(row) for row in rows])
        await connection.execute(insert(files), [file(row) for row in rows])

    await metadata._database.writer.run(work)


def _places(listing: str, rows: list[Row]) -> dict[str, tuple[str | None, list[UUID]]]:
    """For each depth, the cursor that leads there and the ids of the page behind it."""
    order, where = LISTINGS[listing]
    by_name = order is FileOrder.FILENAME_ASC
    listed = [row for row in rows if where.kind in {None, row.kind}]
    listed.sort(key=lambda row: (_key(row, by_name=by_name), row.id), reverse=not by_name)
    places: dict[str, tuple[str | None, list[UUID]]] = {}
    for depth, share in DEPTHS.items():
        start = int((len(listed) - PAGE) * share)
        last = listed[start - 1]
        cursor = _listing_cursor(order, _key(last, by_name=by_name), last.id) if start else None
        places[depth] = cursor, [row.id for row in listed[start : start + PAGE]]
    return places


def _key(row: Row, *, by_name: bool) -> Any:
    return row.names["sort_key"] if by_name else row.moment


async def _time_page(metadata: Metadata, listing: str, cursor: str | None, expected: list[UUID]) -> float:
    order, where = LISTINGS[listing]
    start = time.perf_counter()
    page = await metadata.list_files(PAGE, cursor, where, order)
    seconds = time.perf_counter() - start
    assert [record.id for record in page.records] == expected, "the page holds other files"
    return seconds
