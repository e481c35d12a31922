"""What a service keeps, looked at from outside, whether a server runs on it or not."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from io import BytesIO
from os import truncate
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import asyncpg
from aiohttp import ClientSession
from miniopy_async import Minio

T = TypeVar("T")

PATIENCE = 30  # seconds, for what never comes
REGION = "us-east-1"
SECONDS = 60  # a bound for each look; nothing is measured by it


class Rows(Protocol):
    """The tables of a database."""

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a SELECT."""

    def execute(self, sql: str) -> None:
        """Change something behind the server's back."""


class Objects(Protocol):
    """What a store holds."""

    def names(self) -> set[str]:
        """The names of all objects, those too that are not whole yet."""

    def sizes(self) -> dict[str, int]:
        """The whole objects, each with its size in bytes."""

    def unfinished(self) -> set[str]:
        """The names of uploads into the store that were neither completed nor aborted."""

    def remove(self, name: str) -> None:
        """Lose an object."""

    def truncate(self, name: str, size: int) -> None:
        """Lose the end of an object."""

    def replace(self, name: str, data: bytes) -> None:
        """Put other bytes under a name."""


class Kept:
    """Rows and objects together."""

    def __init__(self, rows: Rows, store: Objects) -> None:
        self.rows = rows
        self.store = store
        self.query = rows.query
        self.execute = rows.execute
        self.objects = store.names

    def count(self, table: str) -> int:
        """How many rows a table has."""
        [(rows,)] = self.query(f"SELECT count(*) FROM {table}")
        return rows

    def blobs(self) -> set[str]:
        """The names of the objects that blobs refer to."""
        return {name for (name,) in self.query("SELECT object_name FROM blobs")}

    def is_clean(self) -> bool:
        """Whether only whole files are left: no upload, and no object that belongs to no blob."""
        return self.count("uploads") == 0 and self.objects() == self.blobs()

    def is_empty(self) -> bool:
        """Whether nothing was kept: no file, no blob, no upload, no object."""
        return self.is_clean() and self.count("files") == self.count("blobs") == 0


def kept_by(settings: Mapping[str, Any]) -> Kept:
    """What servers with these settings keep; `data_dir` must be among them where a default lies in it."""
    database, storage = str(settings.get("database_url", "")), str(settings.get("storage_url", ""))
    rows: Rows
    store: Objects
    if database.startswith("postgresql:"):
        rows = PostgresRows(database)
    else:
        rows = SqliteRows(Path(database.removeprefix("sqlite://") or Path(settings["data_dir"]) / "satchel.db"))
    if storage.startswith("s3+"):
        store = Bucket(storage, settings["s3_access_key"], settings["s3_secret_key"])
    else:
        store = Directory(Path(storage.removeprefix("file://") or Path(settings["data_dir"]) / "objects"))
    return Kept(rows, store)


class SqliteRows:
    """The tables of an SQLite file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=SECONDS)) as connection:
            return connection.execute(sql).fetchall()

    def execute(self, sql: str) -> None:
        with closing(sqlite3.connect(self._path, timeout=SECONDS)) as connection, connection:
            connection.execute(sql)


class PostgresRows:
    """The tables of a PostgreSQL database."""

    def __init__(self, url: str) -> None:
        self._url = url

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return _apart(self._run(sql))

    def execute(self, sql: str) -> None:
        _apart(self._run(sql))

    async def _run(self, sql: str) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(self._url, timeout=SECONDS)
        try:
            return [tuple(row) for row in await connection.fetch(sql, timeout=SECONDS)]
        finally:
            await connection.close(timeout=SECONDS)


class Directory:
    """A local blob store."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> set[str]:
        return {str(path.relative_to(self._path)) for path in self._path.rglob("*") if not path.is_dir()}

    def sizes(self) -> dict[str, int]:
        return {name: (self._path / name).stat().st_size for name in self.names()}

    def unfinished(self) -> set[str]:
        return set()

    def remove(self, name: str) -> None:
        (self._path / name).unlink()

    def truncate(self, name: str, size: int) -> None:
        truncate(self._path / name, size)

    def replace(self, name: str, data: bytes) -> None:
        (self._path / name).write_bytes(data)


class Bucket:
    """A bucket of an S3 server."""

    def __init__(self, url: str, access_key: str, secret_key: str) -> None:
        address = urlsplit(url)
        self._endpoint, self._bucket = address.netloc, address.path.strip("/")
        self._keys = access_key, secret_key

    def names(self) -> set[str]:
        return _apart(self._names())

    def sizes(self) -> dict[str, int]:
        return _apart(self._sizes())

    def unfinished(self) -> set[str]:
        return _apart(self._names_of_unfinished())

    def remove(self, name: str) -> None:
        _apart(self._remove(name))

    def truncate(self, name: str, size: int) -> None:
        _apart(self._truncate(name, size))

    def replace(self, name: str, data: bytes) -> None:
        _apart(self._replace(name, data))

    async def clear(self) -> None:
        """Remove everything, unfinished uploads too."""
        async with self._client() as client:
            if not await client.bucket_exists(self._bucket):
                return
            for name, upload_id in await self._unfinished(client):
                await client._abort_multipart_upload(self._bucket, name, upload_id)
            for name in await self._whole(client):
                await client.remove_object(self._bucket, name)

    async def _names(self) -> set[str]:
        async with self._client() as client:
            # In this order: what is completed in between is seen twice, and not never.
            unfinished = {name for name, _ in await self._unfinished(client)}
            return unfinished | (await self._whole(client)).keys()

    async def _sizes(self) -> dict[str, int]:
        async with self._client() as client:
            return await self._whole(client)

    async def _names_of_unfinished(self) -> set[str]:
        async with self._client() as client:
            return {name for name, _ in await self._unfinished(client)}

    async def _remove(self, name: str) -> None:
        async with self._client() as client:
            await client.remove_object(self._bucket, name)

    async def _truncate(self, name: str, size: int) -> None:
        async with self._client() as client:
            response = await client.get_object(self._bucket, name, length=size)
            rest = await response.read()
            response.release()
            await client.put_object(self._bucket, name, BytesIO(rest), size)

    async def _replace(self, name: str, data: bytes) -> None:
        async with self._client() as client:
            await client.put_object(self._bucket, name, BytesIO(data), len(data))

    async def _whole(self, client: Minio) -> dict[str, int]:
        entries = client.list_objects(self._bucket, recursive=True)
        return {entry.object_name: entry.size async for entry in entries}

    async def _unfinished(self, client: Minio) -> list[tuple[str, str]]:
        listing = await client._list_multipart_uploads(self._bucket)
        assert not listing.is_truncated
        return [(upload.object_name, upload.upload_id) for upload in listing.uploads]

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Minio]:
        # With a session of ours: for its own it would read all certificates that the world trusts, each time.
        async with asyncio.timeout(SECONDS), ClientSession() as session:
            yield Minio(self._endpoint, *self._keys, secure=False, region=REGION, session=session)


def _apart(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end from any code, by a thread with a loop of its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def eventually(condition: Callable[[], T], what: str = "") -> T:
    """Wait until a condition holds, and give its value; fail when it never does."""
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < end, f"it never came to pass: {what or condition}"
        await asyncio.sleep(0.05)
    return value
