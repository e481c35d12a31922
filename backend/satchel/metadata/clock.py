"""Time and order as the database keeps them: the only clock that all instances share."""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import BigInteger, DateTime, Dialect, Interval, literal
from sqlalchemy.types import TypeDecorator, TypeEngine

from .dialects import DialectFunction

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(count: int) -> datetime:
    """The moment in UTC; raises OverflowError beyond the year 9999."""
    return _EPOCH + count * _MICROSECOND


class Moment(TypeDecorator[datetime]):
    """A point in time, aware and in UTC: timestamptz, or on SQLite a 64-bit integer of microseconds since 1970."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type that stands in the table."""
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """To the database; a datetime without a zone is a TypeError."""
        if value is None or dialect.name != "sqlite":
            return value
        return to_microseconds(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From the database."""
        if value is None or dialect.name != "sqlite":
            return value  # type: ignore[no-any-return]
        return from_microseconds(value)


class Duration(TypeDecorator[timedelta]):
    """A span of time that can be added to a Moment: an interval, or on SQLite microseconds."""

    impl = Interval
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type that stands in the table."""
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else Interval())

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> Any:
        """To the database."""
        if value is None or dialect.name != "sqlite":
            return value
        return value // _MICROSECOND


class now(DialectFunction):  # noqa: N801 - it reads as the SQL function that it is
    """The database's clock as a SQL expression, plus an offset that may be negative."""

    type = Moment()
    name = "now"
    inherit_cache = True
    spelled: ClassVar = {
        # CURRENT_TIMESTAMP would be that of the transaction's begin, before it waited for locks.
        "postgresql": "(statement_timestamp() + {})",
        # unixepoch('now', 'subsec') would do, but is younger than the SQLite 3.40 of Debian 12. The clock ticks in
        # milliseconds; both calls see the same tick, because 'now' stands still within a statement.
        "sqlite": "(CAST(strftime('%s', 'now') AS INTEGER) * 1000000"
        " + CAST(substr(strftime('%f', 'now'), 4) AS INTEGER) * 1000 + {})",
    }

    def __init__(self, offset: timedelta = timedelta(0)) -> None:
        super().__init__(literal(offset, Duration()))


class current_transaction(DialectFunction):  # noqa: N801
    """The number of the transaction that asks; 0 where transactions come one after the other."""

    type = BigInteger()
    name = "current_transaction"
    inherit_cache = True
    spelled: ClassVar = {"postgresql": "pg_current_xact_id()::text::bigint", "sqlite": "0"}


class oldest_running_transaction(DialectFunction):  # noqa: N801
    """The number below which every transaction has ended, as the asking one's snapshot shows them.

    What is committed under a number below it has been seen by now, or never will be: nothing comes in between any more.
    """

    type = BigInteger()
    name = "oldest_running_transaction"
    inherit_cache = True
    spelled: ClassVar = {"postgresql": "pg_snapshot_xmin(pg_current_snapshot())::text::bigint", "sqlite": "1"}


class next_transaction(DialectFunction):  # noqa: N801
    """The number above those of all transactions that have begun; only where they are numbered."""

    type = BigInteger()
    name = "next_transaction"
    inherit_cache = True
    spelled: ClassVar = {"postgresql": "pg_snapshot_xmax(pg_current_snapshot())::text::bigint"}
