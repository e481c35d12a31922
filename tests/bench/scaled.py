"""Bytes in and out of the stack that scales, beside the same client library on the same S3 store without Satchel."""

import asyncio
import hashlib
import os
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from miniopy_async import Minio

from bench.meters import Process, Sample
from bench.servers import check_hash, make_source, satchel
from bench.transfers import DOORS, REST, WARM_UP, Contestant, Result, Rounds, Say, Stored, ThroughDoor, run_rounds
from bench.wire import BUFFER, SALT, Payload, Sink
from postgres import Postgres
from seaweed import Seaweed

DIRECT = "directly"
BUCKET = "direct"


class Bucket:
    """miniopy-async with its defaults, and the size of the file told beforehand."""

    def __init__(self, runner: asyncio.Runner, client: Minio) -> None:
        self._runner = runner
        self._client = client
        self._process = Process(os.getpid())
        self._number = 0

    def upload(self, payload: Payload, sample: Sample) -> Stored:
        self._number += 1
        name = str(self._number)
        with payload.path.open("rb") as file, self._process.measured(sample):
            reader = _Salted(payload.salt, file)
            self._runner.run(self._client.put_object(BUCKET, name, reader, payload.size))
        return Stored(name, payload.sha256())

    def download(self, stored: Stored, sample: Sample) -> int:
        with self._process.measured(sample):
            return self._runner.run(self._read(stored.target, len))

    def check(self, stored: Stored) -> None:
        digest = hashlib.sha256()
        self._runner.run(self._read(stored.target, digest.update))
        check_hash(digest.hexdigest(), stored.sha256)

    def finish(self, stored: Stored) -> dict[str, float]:
        return {}

    def remove(self, stored: Stored) -> None:
        self._runner.run(self._client.remove_object(BUCKET, stored.target))

    async def _read(self, name: str, sink: Sink) -> int:
        response = await self._client.get_object(BUCKET, name)
        size = 0
        async for chunk in response.content.iter_chunked(BUFFER):
            size += len(chunk)
            sink(memoryview(chunk))
        response.release()
        return size


class _Salted:
    """A file whose first bytes are others."""

    def __init__(self, salt: bytes, file: BinaryIO) -> None:
        self._salt = salt
        self._file = file
        file.seek(SALT)

    def read(self, size: int) -> bytes:
        """The next bytes."""
        salt, self._salt = self._salt, b""
        return salt + self._file.read(size - len(salt))


def scaled(directory: Path, size: int, rounds: int, say: Say) -> list[Result]:
    """One file through each door and back, over PostgreSQL and S3, beside the store alone."""
    payload, small = make_source(directory / "source", size), make_source(directory / "small", WARM_UP)
    with ExitStack() as servers:
        runner = servers.enter_context(asyncio.Runner())
        seaweed = servers.enter_context(Seaweed())
        database = runner.run(servers.enter_context(Postgres()).new_database())
        client = Minio(
            f"{seaweed.host}:{seaweed.port}", seaweed.access_key, seaweed.secret_key, secure=False, region="us-east-1"
        )
        runner.run(client.make_bucket(BUCKET))
        servers.callback(lambda: runner.run(client.close_session()))
        storage = seaweed.new_bucket_url()
        store = servers.enter_context(
            satchel(
                directory / "satchel",
                lambda name: name in runner.run(seaweed.objects(storage.rpartition("/")[2])),
                database_url=database,
                storage_url=storage,
                s3_access_key=seaweed.access_key,
                s3_secret_key=seaweed.secret_key,
            )
        )
        contestants: dict[str, Contestant] = {name: ThroughDoor(store, door) for name, door in DOORS.items()}
        contestants[DIRECT] = Bucket(runner, client)
        return run_rounds(Rounds(contestants, {REST, DIRECT}), small, payload, rounds, say)
