"""Compares rows with objects, both ways, and the bytes with their hashes: what `satchel check` does.

Rows and objects are both read in the order of their names, side by side, a page at a time: memory does not grow with
what is stored. No file and no object is changed; which blobs are damaged is noted, so that they can heal. Other servers
may be at work meanwhile, where the ports allow several: what looks wrong is looked at once more before it is told.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

import orjson

from satchel.blobs import BlobStore, StoredObject
from satchel.metadata import BlobRecord, FileFilter, FileOrder, Metadata
from satchel.rehash import Rehash

PAGE = 500
SHOWN = 20
"""Files that are named with a finding, at most."""


class Fault(Enum):
    """What can be wrong, in words."""

    MISSING = "the store has no such object"
    WRONG_SIZE = "the object has another size than its record"
    DAMAGED = "the bytes do not have the SHA-256 of their record"
    ORPHAN = "no record names this object"
    UNUSED = "no file is on this blob"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    `expected` and `found` are sizes in bytes, or hashes where the fault is DAMAGED. `files` are the ids and names of
    those that are affected, the first SHOWN of them.
    """

    fault: Fault
    object_name: str
    expected: int | str | None = None
    found: int | str | None = None
    files: tuple[tuple[str, str], ...] = ()

    def line(self) -> str:
        """For people."""
        sizes = f" (expected {self.expected}, found {self.found})" if self.expected != self.found else ""
        files = "".join(f"\n    {name!r} (id {file_id})" for file_id, name in self.files)
        return f"{self.fault.name}: {self.object_name}: {self.fault.value}{sizes}{files}"

    def members(self) -> dict[str, Any]:
        """For machines."""
        files = [{"id": file_id, "filename": name} for file_id, name in self.files]
        return {**asdict(self), "fault": self.fault.name, "files": files}


@dataclass
class Tally:
    """What was looked at: blobs, objects, and bytes that were hashed; and how much is wrong."""

    blobs: int = 0
    objects: int = 0
    hashed: int = 0
    findings: int = 0


class Checker:
    """One look at everything that is kept.

    Args:
        metadata: the rows.
        blobs: the bytes.
        say: takes each finding as it is made.
        rate: the bytes a second that are read at most to hash them again; None reads no bytes.
    """

    def __init__(
        self, metadata: Metadata, blobs: BlobStore, say: Callable[[Finding], None], rate: int | None = None
    ) -> None:
        self.tally = Tally()
        self._metadata = metadata
        self._blobs = blobs
        self._say = say
        self._rehash = rate and Rehash(blobs, rate)

    async def run(self) -> Tally:
        """Look at everything. Raises DATABASE_UNAVAILABLE, STORE_UNAVAILABLE."""
        rows, objects = self._rows(), self._objects()
        row, stored = await anext(rows, None), await anext(objects, None)
        while row or stored:
            if row and (stored is None or row.object_name < stored.name):
                await self._missing(row)
                row = await anext(rows, None)
            elif stored and (row is None or stored.name < row.object_name):
                await self._unnamed(stored.name)
                stored = await anext(objects, None)
            elif row and stored:
                await self._pair(row, stored)
                row, stored = await anext(rows, None), await anext(objects, None)
        async for name in self._blobs.unfinished():
            await self._unnamed(name)
        self.tally.hashed = self._rehash.hashed if self._rehash else 0
        return self.tally

    async def _rows(self) -> AsyncIterator[BlobRecord]:
        after = ""
        while page := await self._metadata.list_blobs(after, PAGE):
            for row in page:
                self.tally.blobs += 1
                if not row.used:
                    self._tell(Finding(Fault.UNUSED, row.object_name))
                yield row
            after = page[-1].object_name

    async def _objects(self) -> AsyncIterator[StoredObject]:
        async for stored in self._blobs.objects():
            self.tally.objects += 1
            yield stored

    async def _pair(self, row: BlobRecord, stored: StoredObject) -> None:
        if stored.size != row.size:
            await self._wrong(Fault.WRONG_SIZE, row, row.size, stored.size)
        elif self._rehash:
            found = await self._rehash.digest(row)
            if found is None:
                await self._wrong(Fault.MISSING, row, row.size, await self._blobs.size(row.object_name))
            elif found != row.sha256:
                await self._wrong(Fault.DAMAGED, row, row.sha256, found)
            elif row.damaged:  # the object was put back
                await self._metadata.note_damage(row.object_name, damaged=False)

    async def _missing(self, row: BlobRecord) -> None:
        # Asked by its name: it may have been published after the listing had passed its place.
        found = await self._blobs.size(row.object_name)
        if found is None:
            await self._wrong(Fault.MISSING, row, row.size, None)
        else:
            await self._pair(row, StoredObject(row.object_name, found))

    async def _unnamed(self, name: str) -> None:
        # An intent comes before its object, and goes after it. So an object that nobody names and that is still there
        # was not just being written or removed.
        if name not in await self._metadata.named([name]) and await self._is_there(name):
            self._tell(Finding(Fault.ORPHAN, name))

    async def _is_there(self, name: str) -> bool:
        if await self._blobs.size(name) is not None:
            return True
        return any([other == name async for other in self._blobs.unfinished(name)])

    async def _wrong(self, fault: Fault, row: BlobRecord, expected: int | str, found: int | str | None) -> None:
        """Tell of a blob that is not as it should be, unless it has been deleted meanwhile."""
        if not await self._metadata.is_blob(row.object_name):
            return
        await self._metadata.note_damage(row.object_name, damaged=True)
        page = await self._metadata.list_files(SHOWN, None, FileFilter(sha256=row.sha256), FileOrder.UPLOAD_DATE_ASC)
        files = tuple((str(record.id), record.filename) for record in page.records)
        self._tell(Finding(fault, row.object_name, expected, found, files))

    def _tell(self, finding: Finding) -> None:
        self.tally.findings += 1
        self._say(finding)


def finding_text(finding: Finding, *, as_json: bool) -> str:
    """A finding, for people in a line or more, for machines in one."""
    return orjson.dumps(finding.members()).decode() if as_json else finding.line()


def tally_text(tally: Tally, *, as_json: bool) -> str:
    """The last line."""
    if as_json:
        return orjson.dumps(asdict(tally)).decode()
    hashed = f", {tally.hashed:,} bytes hashed" if tally.hashed else ""
    wrong = f"{tally.findings:,} wrong" if tally.findings else "nothing is wrong"
    return f"{tally.blobs:,} blobs and {tally.objects:,} objects compared{hashed}: {wrong}"
