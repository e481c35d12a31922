"""Blobs in the order of their objects' names, to be hashed again; and which of them are damaged."""

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from .records import BlobRecord
from .tables import blobs, files, scrub


async def list_blobs(c: AsyncConnection, after: str, limit: int) -> list[BlobRecord]:
    """At most `limit` blobs behind the object name `after`, in the order of their object names."""
    used = exists().where(files.c.blob_id == blobs.c.id)
    query = select(blobs.c.object_name, blobs.c.size, blobs.c.sha256, used, blobs.c.damaged)
    # All names have their hyphens at the same places, so every collation orders them as their bytes.
    query = query.where(blobs.c.object_name > after).order_by(blobs.c.object_name).limit(limit)
    return [BlobRecord(*row) for row in await c.execute(query)]


async def claim(c: AsyncConnection, limit: int) -> list[BlobRecord]:
    """The blobs behind those that were claimed last; none where the round is over, and the next one begins."""
    after = (await c.scalars(select(scrub.c.position).with_for_update())).one()
    page = await list_blobs(c, after, limit)
    await c.execute(update(scrub).values(position=page[-1].object_name if page else ""))
    return page


async def note(c: AsyncConnection, object_name: str, *, damaged: bool) -> bool:
    """Note the state of a blob's object. Returns whether that is news; none of an object that is no blob's."""
    changed = update(blobs).where(blobs.c.object_name == object_name, blobs.c.damaged != damaged)
    return (await c.execute(changed.values(damaged=damaged))).rowcount > 0
