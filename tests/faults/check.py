"""Whether nothing was lost: what clients wrote down, against what the service, its database and its store have.

The invariants are numbered:

    I1   every acknowledged upload that was not deleted is downloaded with its SHA-256
    I2   every file has its blob, and every blob its object, of its size
    I3   there is one blob for each content, and none without a file
    I4   swept without grace, the store has the objects of the blobs, and no intent, garbage or temporary file is left
    I5   each subscriber was told of every event, in order, across all its connections
    I6   an idempotency key gave one file at most
    I7   a file whose deletion was acknowledged is gone
    I8   the memory of a server stays below a ceiling; where it can be seen, so do its descriptors and tasks: `held.py`
    I9   no connection to the database stands in a transaction
    I10  nothing was logged that nobody expected, and no request failed without a fault
"""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from uuid import UUID

import httpx
from aftermath import time_passes
from journal import Journal

from kept import Kept, PostgresRows, eventually
from server import Server

AT_ONCE = 8
CEILING = 512 * 1024 * 1024  # bytes of resident memory


def exceptions(server: Server) -> list[str]:
    """The lines of a server's log that tell of what nobody expected, as JSON or as plain text."""
    return [line for line in server.logged().splitlines() if '"exception":' in line or line.startswith("Traceback")]


class Checker:
    """Checks one place after a run; no client is at work any more, and all servers are up.

    Args:
        journal: what the clients wrote down.
        kept: what is kept at the place.
        servers: those that served it.
        excused: for the code of a failure, and the number of the server, whether the faults of the run account for it.
    """

    def __init__(
        self, journal: Journal, kept: Kept, servers: list[Server], excused: Callable[[str, int], bool]
    ) -> None:
        self._kept = kept
        self._servers = servers
        self._excused = excused
        self.journal = journal
        self.uploads = list(journal.operations("upload"))
        self.deletions = list(journal.operations("delete"))

    async def assert_nothing_was_lost(self) -> None:
        """Fail with a line for each violation."""
        violations = [line async for line in self._downloads()]
        violations += [line async for line in self._events()]
        time_passes(self._kept)
        await eventually(self._is_swept, "I4: all is swept")
        # Those of the background come and go; one that was left open stays for a minute.
        await eventually(lambda: not self._open_transactions(), "I9: no connection stands in a transaction")
        for invariant in (self._rows, self._leftovers, self._keys, self._memory, self._failures):
            violations += invariant()
        assert not violations, "\n".join(violations)

    @property
    def acknowledged(self) -> dict[str, str]:
        """The SHA-256 of each acknowledged upload, by the id of its file."""
        return {upload.answer["id"]: upload.what["sha256"] for upload in self.uploads if upload.outcome == "ok"}

    def summary(self) -> str:
        """How much was asked for, in words."""
        unknown = sum(operation.outcome == "unknown" for operation in (*self.uploads, *self.deletions))
        refused = sum(operation.outcome == "fail" for operation in (*self.uploads, *self.deletions))
        gone = sum(deletion.outcome == "ok" for deletion in self.deletions)
        told = f"{len(self.acknowledged)} uploads and {gone} deletions acknowledged"
        return f"{told}, {refused} refused, {unknown} unanswered, none lost"

    async def _downloads(self) -> AsyncIterator[str]:
        asked = {deletion.what["id"] for deletion in self.deletions}
        gone = {deletion.what["id"] for deletion in self.deletions if deletion.answer.get("status") in {200, 404}}
        turns = asyncio.Semaphore(AT_ONCE)
        async with httpx.AsyncClient(base_url=self._servers[-1].url, timeout=60) as client:

            async def look(file_id: str, sha256: str) -> str | None:
                async with turns:
                    answer = await client.get(f"/files/{file_id}")
                if file_id in gone:
                    return None if answer.status_code == 404 else f"I7: {file_id} is back: {answer.status_code}"
                if file_id in asked and answer.status_code == 404:
                    return None
                if answer.status_code != 200:
                    return f"I1: {file_id} is lost: {answer.status_code}"
                is_same = hashlib.sha256(answer.content).hexdigest() == sha256
                return None if is_same else f"I1: {file_id} has other bytes"

            for line in await asyncio.gather(*(look(*item) for item in self.acknowledged.items())):
                if line:
                    yield line
        for line in self._gone_too_early():
            yield line

    def _gone_too_early(self) -> Iterator[str]:
        """A deletion may find nothing where another one of the same file had no answer, and only there."""
        unanswered = set()
        for deletion in self.deletions:
            if deletion.answer.get("status") == 404 and deletion.what["id"] not in unanswered:
                yield f"I1: {deletion.what['id']} was gone before anybody deleted it"
            if deletion.outcome == "unknown":
                unanswered.add(deletion.what["id"])

    async def _events(self) -> AsyncIterator[str]:
        rows = self._kept.query('SELECT kind, file_id FROM events ORDER BY "transaction", id')
        happened = [(kind, UUID(str(file_id))) for kind, file_id in rows]
        told: dict[int, list] = defaultdict(list)

        def are_told() -> bool:
            told.clear()
            for event in self.journal.operations("event"):
                if event.what["kind"] != "READY":
                    told[event.what["follower"]].append((event.what["kind"], UUID(event.what["id"])))
            return len(told) > 0 and all(len(heard) >= len(happened) for heard in told.values())

        if happened:
            await eventually(are_told, f"I5: all {len(happened)} events are told")
        for follower, heard in told.items():
            if heard != happened:
                place = next((i for i, pair in enumerate(zip(heard, happened, strict=False)) if pair[0] != pair[1]), -1)
                yield f"I5: follower {follower} was told another story, from event {place} of {len(happened)}"
        announced = {str(file_id) for kind, file_id in happened if kind == "UPLOADED"}
        for file_id in self.acknowledged.keys() - announced:
            yield f"I5: nobody was told of {file_id}"

    def _is_swept(self) -> bool:
        # Leases were made to run out early, so a sweep may be over before those who gave up an upload have removed it.
        return self._kept.count("garbage") == 0 and self._kept.is_clean() and not self._kept.store.unfinished()

    def _rows(self) -> Iterator[str]:
        sizes = self._kept.store.sizes()
        for name, size in self._kept.query("SELECT object_name, size FROM blobs"):
            if sizes.get(name) != size:
                yield f"I2: the object {name} has {sizes.get(name)} bytes of {size}"
        without_blob = "SELECT id FROM files WHERE blob_id NOT IN (SELECT id FROM blobs)"
        yield from (f"I2: the file {file_id} has no blob" for (file_id,) in self._kept.query(without_blob))
        without_file = "SELECT object_name FROM blobs WHERE id NOT IN (SELECT blob_id FROM files)"
        yield from (f"I3: the blob of {name} has no file" for (name,) in self._kept.query(without_file))
        [(blobs, contents)] = self._kept.query("SELECT count(*), count(DISTINCT sha256) FROM blobs")
        if blobs != contents:
            yield f"I3: {blobs} blobs for {contents} contents"

    def _leftovers(self) -> Iterator[str]:
        if unfinished := self._kept.store.unfinished():
            yield f"I4: multipart uploads are left: {unfinished}"
        for server in self._servers:
            if temporary := list(server.temporary.iterdir()):
                yield f"I4: temporary files are left: {temporary}"

    def _keys(self) -> Iterator[str]:
        given: dict[str, set[str]] = defaultdict(set)
        possible = {upload.what["name"] for upload in self.uploads if upload.outcome != "fail"}
        for upload in self.uploads:
            if upload.outcome == "ok":
                given[upload.what["key"]].add(upload.answer["id"])
        yield from (f"I6: the key {key} gave {ids}" for key, ids in given.items() if len(ids) > 1)
        for name, count in self._kept.query("SELECT filename, count(*) FROM files GROUP BY filename"):
            if count > 1:  # each key has a name of its own
                yield f"I6: the key {name} made {count} files"
            if name not in possible:
                yield f"I6: {name} was refused, and is there"

    def _memory(self) -> Iterator[str]:
        for number, server in enumerate(self._servers):
            if (peak := server.peak_memory()) > CEILING:
                yield f"I8: server {number} had {peak} bytes of memory"

    def _open_transactions(self) -> list[tuple]:
        if not isinstance(self._kept.rows, PostgresRows):
            return []
        idle = "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
        return self._kept.query(idle)

    def _failures(self) -> Iterator[str]:
        for operation in (*self.uploads, *self.deletions):
            code = operation.answer.get("code", "")
            if code == "NOT_FOUND" and operation.do == "delete":
                continue  # see I1
            if operation.outcome != "ok" and not self._excused(code, operation.what["at"]):
                yield f"I10: {operation.do} at server {operation.what['at']} failed: {operation.answer}"
        for number, server in enumerate(self._servers):
            yield from (f"I10: server {number} logged an exception: {line}" for line in exceptions(server))
