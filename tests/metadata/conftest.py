"""A metadata store for each test, and short words for what most tests do first."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Table, select

from satchel.errors import Code, SatchelError
from satchel.metadata import FileKind, FileRecord, Metadata, Publication, Published

LEASE = timedelta(minutes=1)
LIFETIME = timedelta(days=1)


@pytest.fixture(params=["sqlite"])
def database_url(request, tmp_path):
    """A new database of each kind that Satchel knows."""
    return {"sqlite": f"sqlite:///{tmp_path}/satchel.db"}[request.param]


@pytest.fixture
async def metadata(database_url):
    store = Metadata(database_url)
    await store.open()
    yield store
    await store.close()


class Helper:
    """Uploads files in one line, and looks at the tables behind the public methods."""

    def __init__(self, metadata: Metadata) -> None:
        self.metadata = metadata

    async def prepare(self, content: str = "bytes", filename: str = "a.txt", **values: Any) -> Publication:
        """A finished upload of the content, ready to be published."""
        object_name = f"o/{uuid4()}"
        upload_id: UUID | None = await self.metadata.begin_upload(object_name, values.pop("lease", LEASE))
        return Publication(
            upload_id=upload_id,
            object_name=object_name,
            sha256=hashlib.sha256(content.encode()).hexdigest(),
            size=values.pop("size", len(content)),
            filename=filename,
            content_type=values.pop("content_type", "text/plain"),
            kind=values.pop("kind", FileKind.TEXT),
            **values,
        )

    async def publish(self, *publications: Publication, key_lifetime: timedelta = LIFETIME) -> list[Published]:
        return await self.metadata.publish(publications, key_lifetime=key_lifetime)

    async def upload(self, content: str = "bytes", filename: str = "a.txt", **values: Any) -> FileRecord:
        [published] = await self.publish(await self.prepare(content, filename, **values))
        return published.record

    async def rows(self, table: Table) -> list[dict[str, Any]]:
        async def read(connection):
            return [dict(row) for row in (await connection.execute(select(table))).mappings()]

        return await self.metadata._database.reader.run(read)

    async def count(self, *tables: Table) -> tuple[int, ...]:
        return tuple([len(await self.rows(table)) for table in tables])

    async def write(self, *statements: Any) -> None:
        """Change tables behind the back of the public methods."""

        async def run(connection):
            for statement in statements:
                await connection.execute(statement)

        await self.metadata._database.writer.run(run)


@pytest.fixture
def helper(metadata) -> Helper:
    return Helper(metadata)


@pytest.fixture
def fails() -> Callable[[Code], AbstractContextManager[None]]:
    """A block that must raise the failure of a code."""

    @contextmanager
    def block(code: Code) -> Iterator[None]:
        with pytest.raises(SatchelError) as raised:
            yield
        assert raised.value.code is code

    return block
