"""The two stacks that the service's contracts hold on, and where each keeps its things for one test.

Embedded: SQLite and a directory. Scaled: PostgreSQL and an S3 server.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from kept import Bucket
from postgres import Postgres
from satchel.metadata import Metadata
from seaweed import Seaweed

STACKS = ("embedded", "scaled")

# Marks for tests that do not run on both, though they use what does.
one_is_enough = pytest.mark.stacks("embedded")  # what is tested lies in front of every stack, such as parsing
embedded_only = pytest.mark.stacks("embedded")  # the adapters of that stack are looked into
scaled_only = pytest.mark.stacks("scaled")

Settings = dict[str, Any]


class Places(Protocol):
    """Gives places to keep things in: settings that name an empty database and an empty store."""

    def new(self, data_dir: Path) -> AbstractAsyncContextManager[Settings]:
        """A place that nobody else uses, for as long as the block runs, for servers of this data directory."""


class EmbeddedPlaces:
    """The data directory that every test and every server has anyway.

    Args:
        template: the bytes of a database that has the tables.
    """

    def __init__(self, template: bytes) -> None:
        self._template = template

    @asynccontextmanager
    async def new(self, data_dir: Path) -> AsyncIterator[Settings]:
        self._copy_to(data_dir)
        yield {}

    def _copy_to(self, data_dir: Path) -> None:
        data_dir.mkdir(parents=True)
        (data_dir / "satchel.db").write_bytes(self._template)


class ScaledPlaces:
    """New databases, copied from one that has the tables; and buckets, emptied and used again.

    A new bucket would cost more than most tests: the first write into it makes its volumes.
    """

    def __init__(self, postgres: Postgres, seaweed: Seaweed) -> None:
        self._postgres = postgres
        self._seaweed = seaweed
        self._template: str | None = None
        self._buckets: list[str] = []

    @asynccontextmanager
    async def new(self, data_dir: Path | None = None, *, untouched: bool = False) -> AsyncIterator[Settings]:
        """A new place; an `untouched` one has neither tables nor a bucket yet."""
        database = await (self._postgres.new_database() if untouched else self._new_database())
        storage = self._buckets.pop() if self._buckets and not untouched else self._seaweed.new_bucket_url()
        access_key, secret_key = self._seaweed.access_key, self._seaweed.secret_key
        # Not when it was given back: what a server that was killed had under way may have ended after that.
        await Bucket(storage, access_key, secret_key).clear()
        yield {
            "database_url": database,
            "storage_url": storage,
            "s3_access_key": access_key,
            "s3_secret_key": secret_key,
        }
        await self._postgres.drop_database(database)
        self._buckets.append(storage)

    async def _new_database(self) -> str:
        if self._template is None:
            template = await self._postgres.new_database()
            metadata = Metadata(template)
            await metadata.open()
            await metadata.close()
            self._template = template
        return await self._postgres.new_database(template=self._template)
