"""What a filter asks of files: each part a condition on one column, and what it lets through."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, ScalarSelect, Select, and_, func, literal, select, true

from satchel.errors import Code, SatchelError

from . import cursors
from .grams import may_hold, of_term, position
from .names import fold
from .records import FileFilter
from .rows import storable
from .tables import blobs, files

FEW = 2_000
"""Files that are read and sorted at most: some milliseconds. With more of them in a million, 50 are found in a walk of
25,000 entries, which takes as long."""

MAX_TERM = 1_000
"""Characters of a search: four times those of the longest name. Folding puts combining marks in order one by one."""

# What conditions are asked of: the columns of the table, or of what was selected from it.
Columns = Any


@dataclass(frozen=True, eq=False)
class Condition:
    """A condition on one column: for the table, or for what was selected from it."""

    column: Column[Any]
    condition: Callable[[ColumnElement[Any]], ColumnElement[bool]]
    term: str = ""
    """What the names must hold, where the condition is a search."""

    def holds(self, source: Columns) -> ColumnElement[bool]:
        """The condition, for a source that has the column."""
        return self.condition(source[self.column.name])

    def candidates(self, dialect: str, columns: Sequence[ColumnElement[Any]], parts: Sequence[str] = ()) -> Select[Any]:
        """All files that match, and some that do not where it is a search, if they are FEW; else one more than that.

        A search looks for those `parts` of its term, or for some that it takes itself.
        """
        query = select(*columns).select_from(files).limit(FEW + 1)
        if self.term:
            return query.where(may_hold(parts or of_term(self.term), FEW + 1, dialect))
        # In the order of the index on the column, so that no database thinks of another way.
        key = files.c.size if self.column is files.c.size else files.c.upload_date
        return query.where(self.holds(files.c)).order_by(key, files.c.id)

    def number(self, dialect: str) -> ScalarSelect[int]:
        """How many candidates there are."""
        candidates = self.candidates(dialect, [literal(1).label("one")]).subquery()
        return select(func.count()).select_from(candidates).scalar_subquery()


def conditions_of(where: FileFilter) -> list[Condition]:
    """All that must hold. Raises BAD_REQUEST for text that no file can hold, and for a search longer than any name."""
    c = files.c
    conditions = []
    if where.search is not None and (term := fold(_searchable(where.search))):
        conditions.append(Condition(c.search_key, lambda column: position(column, term) > 0, term))
    if where.kind is not None:
        conditions.append(equal(c.kind, where.kind.value))
    if where.content_type is not None:
        conditions.append(equal(c.content_type, storable(where.content_type)))
    if where.sha256 is not None:
        # As a value and not as a join, so that the index on blob_id serves the order too.
        conditions.append(equal(c.blob_id, of_blob(where.sha256, blobs.c.id)))
    if (where.min_size, where.max_size) != (None, None):
        conditions.append(Condition(c.size, lambda column: _has_size(column, where)))
    if (where.uploaded_after, where.uploaded_before) != (None, None):
        conditions.append(Condition(c.upload_date, lambda column: _has_date(column, where)))
    return conditions


def _searchable(text: str) -> str:
    if len(text) > MAX_TERM:
        raise SatchelError(Code.BAD_REQUEST, f"A search has {MAX_TERM:,} characters at most; no name is as long.")
    return storable(text)


def equal(column: Column[Any], value: Any) -> Condition:
    """That a column has a value."""
    return Condition(column, lambda column: column == value)


def of_blob(sha256: str, column: Column[int]) -> ScalarSelect[int]:
    """What the blob of a hash has in a column of its table."""
    return select(column).where(blobs.c.sha256 == storable(sha256)).scalar_subquery()


def _has_size(column: ColumnElement[int], where: FileFilter) -> ColumnElement[bool]:
    least = true() if where.min_size is None else column >= storable_size(where.min_size)
    most = true() if where.max_size is None else column <= storable_size(where.max_size)
    return and_(least, most)


def _has_date(column: ColumnElement[datetime], where: FileFilter) -> ColumnElement[bool]:
    after = true() if where.uploaded_after is None else column >= where.uploaded_after
    before = true() if where.uploaded_before is None else column < where.uploaded_before
    return and_(after, before)


def storable_size(size: int) -> int:
    """The nearest size that a database can hold."""
    return max(-1, min(size, cursors.MAX_INT))
