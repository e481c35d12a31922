"""Short words for what most tests of metadata and events do first."""

import hashlib
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Table, select

from satchel.metadata import FileKind, FileRecord, Metadata, Publication, Published

LEASE = timedelta(minutes=1)
LIFETIME = timedelta(days=1)


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
