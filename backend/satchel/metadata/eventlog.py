"""The event log: what happened to files, in an order that is the same for everyone.

Each change writes its events in its own transaction: there is an event exactly if there is a change.
"""

import secrets
from collections.abc import Callable, Iterable
from datetime import timedelta
from operator import gt, le
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from satchel.errors import Code, SatchelError

from .clock import from_microseconds, next_transaction, now, oldest_running_transaction, to_microseconds
from .records import Event, EventKind, FileKind, FileRecord, Position
from .rows import DatabaseRow
from .tables import event_log, events

_POSITION = (events.c.transaction, events.c.id)
# No event can come before one of these any more.
_SETTLED = events.c.transaction < oldest_running_transaction()
_LATEST = select(*_POSITION).where(_SETTLED).order_by(*(column.desc() for column in _POSITION)).limit(1)

log = structlog.get_logger(__name__)


async def announce(c: AsyncConnection, kind: EventKind, records: Iterable[FileRecord]) -> None:
    """Write the events of a change."""
    rows = [{"kind": kind.value, "file_id": record.id, "snapshot": _snapshot(record)} for record in records]
    if rows:
        await c.execute(insert(events).values(created=now()), rows)


async def head(c: AsyncConnection) -> Position:
    """The position of the newest event that is settled."""
    row = (await c.execute(_LATEST)).first()
    return await _horizon(c) if row is None else Position(*row)


async def after(c: AsyncConnection, position: Position, limit: int) -> list[Event]:
    """At most `limit` settled events behind the position. Raises CURSOR_EXPIRED."""
    if position < await _horizon(c):
        raise expired()
    query = select(events).where(_SETTLED, _compared(c, gt, position))
    rows = (await c.execute(query.order_by(*_POSITION).limit(limit))).all()
    if not rows and position > await head(c):
        raise expired()
    return [_event(row) for row in rows]


async def pending(c: AsyncConnection, position: Position) -> bool:
    """Whether something is committed behind the position, settled or not."""
    behind = exists().where(_compared(c, gt, position))
    return (await c.execute(select(behind))).scalar_one()


async def prune(c: AsyncConnection, max_age: timedelta, max_rows: int) -> int:
    """Drop what is too old or too much, and move the horizon along. Returns how many."""
    # One at a time: where two sweepers prune, the one that looked first must not move the horizon back.
    await c.execute(select(event_log.c.id).with_for_update())
    surplus = await _surplus(c, max_rows)
    too_old = select(*_POSITION).where(events.c.created < now(-max_age))
    too_many = select(*_POSITION).order_by(*_POSITION).limit(surplus)
    ends = [Position(*row) for query in (too_old, too_many) if (row := (await c.execute(_last(query))).first())]
    if not ends:
        return 0
    horizon = max(ends)  # all that comes later lies behind it: these are settled
    await c.execute(update(event_log).values(horizon_transaction=horizon.transaction, horizon_id=horizon.id))
    return (await c.execute(delete(events).where(_compared(c, le, horizon)))).rowcount


async def disown(c: AsyncConnection) -> None:
    """Begin another log where this one's transactions have not happened yet.

    A dump that was restored on another server is numbered by the old one: new events would come before those in it,
    and nobody would be told of them.
    """
    newest = func.greatest(event_log.c.horizon_transaction, select(func.max(events.c.transaction)).scalar_subquery())
    foreign = select(event_log.c.id).where(newest >= next_transaction()).with_for_update()
    if c.dialect.name == "postgresql" and (await c.execute(foreign)).first():
        log.warning("the event log is that of another database server; clients have to load their lists again")
        await c.execute(delete(events))
        another = {"id": secrets.token_urlsafe(9), "horizon_transaction": 0, "horizon_id": 0}
        await c.execute(update(event_log).values(another))


async def read_id(c: AsyncConnection) -> str:
    """What names this log in cursors."""
    log_id: str = (await c.scalars(select(event_log.c.id))).one()
    return log_id


def expired() -> SatchelError:
    """CURSOR_EXPIRED."""
    return SatchelError(Code.CURSOR_EXPIRED, "Events behind the cursor are gone; load the list again.")


async def _horizon(c: AsyncConnection) -> Position:
    """All that was pruned lies before it."""
    return Position(*(await c.execute(select(event_log.c.horizon_transaction, event_log.c.horizon_id))).one())


async def _surplus(c: AsyncConnection, max_rows: int) -> int:
    """How many events there are beyond so many."""
    first, last = (select(end(events.c.id)).scalar_subquery() for end in (func.min, func.max))
    # To count a million takes a while, and there are no more of them than numbers.
    numbers = (await c.execute(select(func.coalesce(last - first + 1, 0)))).scalar_one()
    if numbers <= max_rows:
        return 0
    return max(0, (await c.execute(select(func.count()).select_from(events))).scalar_one() - max_rows)


def _last(query: Select[Any]) -> Select[Any]:
    """The last position of some that is settled.

    These are found first and then sorted: in the order of positions, where few are old, all events would be looked at.
    """
    some = query.cte("some").prefix_with("MATERIALIZED")
    places = (some.c.transaction, some.c.id)
    settled = some.c.transaction < oldest_running_transaction()
    return select(*places).where(settled).order_by(*(column.desc() for column in places)).limit(1)


def _compared(c: AsyncConnection, comparison: Callable[[Any, Any], Any], position: Position) -> ColumnElement[bool]:
    """Which events compare so with the position."""
    if c.dialect.name == "sqlite":
        # All transactions have one number. Of a pair, SQLite would look up that alone, and then go through all events.
        return and_(events.c.transaction == position.transaction, comparison(events.c.id, position.id))
    pair = tuple_(*(literal(value, BigInteger) for value in position))
    return comparison(tuple_(*_POSITION), pair)  # type: ignore[no-any-return]


def _snapshot(record: FileRecord) -> dict[str, object]:
    values = {**vars(record), "id": str(record.id), "kind": record.kind.value}
    return {**values, "upload_date": to_microseconds(record.upload_date)}


def _event(row: DatabaseRow) -> Event:
    snapshot = row.snapshot
    record = FileRecord(
        **{
            **snapshot,
            "id": UUID(snapshot["id"]),
            "kind": FileKind(snapshot["kind"]),
            "upload_date": from_microseconds(snapshot["upload_date"]),
        }
    )
    return Event(Position(row.transaction, row.id), EventKind(row.kind), record)
