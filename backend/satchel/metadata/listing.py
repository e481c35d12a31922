"""Pages of files: every order, every filter, at any depth, in the same time.

There are three ways to a page. To walk: along the index of the order, past what does not match, until the page is full.
That is fast where many files match. To gather: all that one filter lets through, from the filter's own index, to be
sorted. That is fast where few do. And for a search, to walk only those blocks of the order whose names may hold the
term: that is fast where many match, but not around here. Which way to go is found out by trying: walk a stretch first,
which mostly fills the page. If it does not, look around, in one statement: what each filter but the search lets
through, up to FEW files; in how many blocks the search's term may be, and which are the next of them. Gather
what a filter lets through if that is few. If none does, gather a search's files where few blocks hold them, or hardly
any of the newest names; else walk those blocks. Without a search, walk on.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    Row,
    ScalarSelect,
    Select,
    Tuple,
    case,
    false,
    func,
    literal,
    select,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from . import blocks, conditions, cursors
from .clock import from_microseconds, to_microseconds
from .conditions import Columns, Condition, conditions_of, equal, of_blob, storable_size
from .grams import MAX_GRAMS, of_term, position
from .records import FileFilter, FileOrder, FilePage
from .rows import FILES, select_files, to_record
from .tables import blobs, files

STRETCH = 5_000
"""Entries of an index that are walked before anything else is tried: a millisecond."""
LONG_STRETCH = 80_000
"""Entries that are walked next, where many files match but not here. Without a bound PostgreSQL may take to sorting all
files, because it expects fewer to match."""
FEW_BLOCKS = 12
"""Blocks that are searched first. Where each has a match, or more, those that follow most likely have, too."""
MORE_BLOCKS = 64
"""Blocks that are searched at a time after that: as many as fill a page, where each has a match."""
NEWEST = 500
"""The newest files, among which it is told which grams of a term are rare."""

# The column that an order goes by, before the id, and whether both descend.
_ORDERS: Mapping[FileOrder, tuple[Column[Any], bool]] = {
    FileOrder.UPLOAD_DATE_DESC: (files.c.upload_date, True),
    FileOrder.UPLOAD_DATE_ASC: (files.c.upload_date, False),
    FileOrder.FILENAME_ASC: (files.c.sort_key, False),
    FileOrder.FILENAME_DESC: (files.c.sort_key, True),
    FileOrder.SIZE_DESC: (files.c.size, True),
    FileOrder.SIZE_ASC: (files.c.size, False),
}

# The columns whose indexes go on with the orders, the narrowest first, and the orders that they go on with.
_GROUPS: Mapping[Column[Any], Collection[Column[Any]]] = {
    files.c.blob_id: {files.c.upload_date, files.c.sort_key},
    files.c.content_type: {files.c.upload_date, files.c.sort_key, files.c.size},
    files.c.kind: {files.c.upload_date, files.c.sort_key, files.c.size},
}


async def page(c: AsyncConnection, first: int, after: str | None, where: FileFilter, order: FileOrder) -> FilePage:
    """The `first` files that match, or of those behind the cursor `after`. The connection must show one snapshot.

    Raises BAD_REQUEST for a cursor that is malformed or of another order, and for text that no file can hold.
    """
    rows = await _Query(where, order, after, first + 1).rows(c)
    shown = rows[:first]
    return FilePage(
        records=[to_record(row) for row in shown],
        cursors=[cursor(order, row.place, row.id) for row in shown],
        has_next=len(rows) > first,
    )


def cursor(order: FileOrder, place: Any, file_id: UUID) -> str:
    """The cursor of a file in an order, which goes by the `place` before the id."""
    return cursors.pack(order.value, to_microseconds(place) if isinstance(place, datetime) else place, str(file_id))


@dataclass(frozen=True)
class _Surroundings:
    """What is known of an order and its filters beyond the first stretch."""

    edge: Tuple
    """The place at which the stretch ends."""
    narrow: Condition | None
    """The filter that lets the fewest files through, without the search; None where all let through more than FEW."""
    is_rare: bool = False
    """Whether no more than FEW files hold the term, to go by how many blocks may, or by the newest names."""
    held: Sequence[Row[Any]] = ()
    """The next FEW_BLOCKS blocks that may hold the term; none where few blocks do."""


class _Query:
    """The first `limit` files of an order that match, behind a cursor."""

    def __init__(self, where: FileFilter, order: FileOrder, after: str | None, limit: int) -> None:
        self._key, self._descending = _ORDERS[order]
        self._after = None if after is None else _place(after, order)
        self._limit = limit
        self._filters = conditions_of(where)
        if where.sha256 is not None and self._key is files.c.size:
            self._filters.append(equal(files.c.size, of_blob(where.sha256, blobs.c.size)))
        self._ends = _places(where, self._key)
        self._searches = [f for f in self._filters if f.term]
        group = next(
            (c for c in _GROUPS if self._key in _GROUPS[c] and any(f.column is c for f in self._filters)), None
        )
        # What the index of the order sees to by itself: files that match all of these lie in one piece of it.
        self._served = [f for f in self._filters if f.column in {group, self._key}]

    async def rows(self, c: AsyncConnection) -> Sequence[Row[Any]]:
        """The columns of `to_record`, and each file's `place` in the order."""
        if len(self._served) == len(self._filters):
            return await self._search(c)
        rows = await self._walk(c, STRETCH)
        if len(rows) == self._limit:
            return rows
        around = await self._look_around(c)
        if around is None:
            return rows
        self._after, self._limit = around.edge, self._limit - len(rows)
        return [*rows, *await self._rest(c, around)]

    async def _rest(self, c: AsyncConnection, around: "_Surroundings") -> Sequence[Row[Any]]:
        """The matching files behind the first stretch."""
        if around.narrow and (found := await self._gather(c, around.narrow)) is not None:
            return found
        if self._searches:
            return await self._walk_blocks(c, self._searches[0], around)
        return await self._walk_on(c)

    async def _walk(self, c: AsyncConnection, stretch: int) -> Sequence[Row[Any]]:
        """The matching files in so many entries of the order's index."""
        # The limit within keeps the database on that way, whatever it expects of the filters.
        entries = self._entries(self._columns()).limit(stretch).subquery()
        page = self._page(entries.c, (f for f in self._filters if f not in self._served))
        # SQLite gives the entries in their order, but does not know it: told to sort, it would first read them all.
        return await self._read(c, page.order_by(None) if c.dialect.name == "sqlite" else page)

    async def _walk_on(self, c: AsyncConnection) -> Sequence[Row[Any]]:
        """The matching files, where many match and few of them around here."""
        rows = await self._walk(c, LONG_STRETCH)
        return rows if len(rows) == self._limit else await self._search(c)

    async def _look_around(self, c: AsyncConnection) -> "_Surroundings | None":
        """What is known of the order and the filters beyond the stretch; None where nothing is."""
        entry = self._entries([self._key.label("key"), files.c.id]).offset(STRETCH - 1).limit(1)
        last = entry.cte("last").prefix_with("MATERIALIZED")
        place = [select(column).scalar_subquery() for column in last.c]
        counted = [f for f in self._filters if not f.term]
        query = select(*place, *(f.number(c.dialect.name) for f in counted))
        if self._searches:
            query = self._add_search(query, self._searches[0].term, tuple_(*place))
        rows = (await c.execute(query)).all()
        key, file_id, *others = rows[0]
        if file_id is None:
            return None
        edge = _typed(self._key, key, file_id)
        few = [(number, i) for i, number in enumerate(others[: len(counted)]) if number <= conditions.FEW]
        narrow = counted[min(few)[1]] if few else None
        if not self._searches:
            return _Surroundings(edge, narrow)
        has_few_blocks, in_all, with_term = others[len(counted) : len(counted) + 3]
        is_rare = bool(has_few_blocks) or with_term * in_all * blocks.BLOCK <= conditions.FEW * NEWEST
        return _Surroundings(edge, narrow, is_rare, [row for row in rows if row.number is not None])

    def _add_search(self, query: Select[Any], term: str, edge: Tuple) -> Select[Any]:
        """What is known of a term, too, and the next blocks that may hold it, unless few blocks do."""
        share = blocks.share(term).cte("share")
        # So many blocks would hold FEW files that are spread evenly, or some more.
        has_few_blocks = share.c.hits * (conditions.FEW + share.c.in_all) < conditions.FEW * share.c.in_all
        # Not as a condition, which SQLite asks last for each block.
        number = select(case((has_few_blocks, 0), else_=FEW_BLOCKS)).scalar_subquery()
        held = self._holding(term, number, edge=edge).subquery()
        with_term = _among_newest([term]).subquery()
        query = query.add_columns(has_few_blocks, share.c.in_all, *with_term.c, *held.c)
        source = share.join(with_term, true()).outerjoin(held, true())
        return query.select_from(source).order_by(*self._directed(held.c.key, held.c.id))

    async def _walk_blocks(self, c: AsyncConnection, search: Condition, around: "_Surroundings") -> Sequence[Row[Any]]:
        """The matching files in the blocks that may hold some; or gathered, where the term is rare."""
        held, number = around.held, FEW_BLOCKS
        if around.is_rare:
            gathered = await self._gather(c, search, await self._rarest(c, search.term))
            if gathered is not None:
                return gathered
            held = held or (await c.execute(self._holding(search.term, number, edge=around.edge))).all()
        found = await self._in_blocks(c, held, self._limit)
        while len(found) < self._limit and len(held) == number:
            number = MORE_BLOCKS
            last = _typed(self._key, held[-1].key, held[-1].id)
            held = (await c.execute(self._holding(search.term, number, fence=last))).all()
            found += await self._in_blocks(c, held, self._limit - len(found))
        return found

    async def _rarest(self, c: AsyncConnection, term: str) -> list[str]:
        """The grams of a term that the fewest of the newest names have, the rarest first."""
        parts = of_term(term, blocks.MAX_GRAMS, apart=1)
        counts = (await c.execute(_among_newest(parts))).one()
        return [part for _, part in sorted(zip(counts, parts, strict=True))[:MAX_GRAMS]]

    def _holding(
        self, term: str, number: int | ScalarSelect[int], *, edge: Tuple | None = None, fence: Tuple | None = None
    ) -> Select[Any]:
        """The next blocks that may hold the term, in the order: from the one with the edge on, or behind a fence's."""
        low, high = self._ends
        if edge is not None:
            low, high = (low, edge) if self._descending else (edge, high)
        places = {"low": low, "high": high, "behind": fence}
        return blocks.holding(self._key, term, **places, descending=self._descending, limit=number)

    async def _in_blocks(self, c: AsyncConnection, held: Sequence[Row[Any]], limit: int) -> list[Row[Any]]:
        """The first matching files in some blocks."""
        return list(await self._read(c, self._within(c.dialect.name, held).limit(limit))) if held else []

    def _within(self, dialect: str, held: Sequence[Row[Any]]) -> Select[Any]:
        """The matching files in some blocks, by id and place."""
        ranges = blocks.ranges(self._key, [block.number for block in held], dialect)
        # The cursor not as a bound: PostgreSQL would enter the index there, for each of the blocks.
        behind = (func.coalesce(bound, false()) for bound in self._bounds(files.c))
        conditions = *blocks.within(self._key, ranges.c), *behind, *(f.holds(files.c) for f in self._filters)
        if dialect == "sqlite":
            page = select(files.c.id, self._key.label("place")).select_from(blocks.cross_join(ranges, files))
            page = page.where(*conditions)
            entry: Columns = files.c
        else:
            entries = select(files.c.id, self._key).where(*conditions).order_by(*self._order(files.c))
            lateral = entries.limit(self._limit).lateral()
            entry = lateral.c
            page = select(entry.id, entry[self._key.name].label("place")).select_from(ranges.join(lateral, true()))
        # Block by block, so that it ends with the block that fills the page.
        return page.order_by(*self._directed(ranges.c.key, ranges.c.id), *self._order(entry))

    async def _gather(
        self, c: AsyncConnection, narrow: Condition, parts: Sequence[str] = ()
    ) -> Sequence[Row[Any]] | None:
        """The matching files among those that a filter lets through; None where those are more than FEW.

        Of a search by `parts` of its term.
        """
        candidates = narrow.candidates(c.dialect.name, self._columns(), parts).cte("candidates")
        number = select(func.count().label("number")).select_from(candidates).subquery()
        page = self._page(candidates.c, self._filters, behind=self._bounds(candidates.c)).subquery()
        # There is a row with the number even if the page is empty.
        source = number.outerjoin(FILES.join(page, page.c.id == files.c.id), true())
        query = select_files(source=source).add_columns(page.c.place, number.c.number)
        rows = (await c.execute(query.order_by(*self._directed(page.c.place, page.c.id)))).all()
        return None if rows[0].number > conditions.FEW else [row for row in rows if row.id is not None]

    async def _search(self, c: AsyncConnection) -> Sequence[Row[Any]]:
        """The matching files of the whole table, as the database likes."""
        return await self._read(c, self._page(files.c, self._filters, behind=self._bounds(files.c)))

    async def _read(self, c: AsyncConnection, page: Select[Any]) -> Sequence[Row[Any]]:
        # Only now whole rows: an index has all that the page was found by.
        found = page.subquery()
        query = select_files(files.c.id == found.c.id).add_columns(found.c.place)
        return (await c.execute(query.order_by(*self._directed(found.c.place, found.c.id)))).all()

    def _entries(self, columns: Iterable[ColumnElement[Any]]) -> Select[Any]:
        """The index of the order, in its order, behind the cursor."""
        # The cursor in front: of several bounds on one column, SQLite enters the index with the first one.
        conditions = *self._bounds(files.c), *(f.holds(files.c) for f in self._served)
        return select(*columns).select_from(files).where(*conditions).order_by(*self._order(files.c))

    def _page(
        self,
        source: Columns,
        filters: Iterable[Condition],
        *,
        behind: Iterable[ColumnElement[bool]] = (),
    ) -> Select[Any]:
        """The first files of a source that match, by id and place."""
        page = select(source.id, source[self._key.name].label("place"))
        page = page.where(*behind, *(f.holds(source) for f in filters))
        return page.order_by(*self._order(source)).limit(self._limit)

    def _columns(self) -> list[Column[Any]]:
        return list(dict.fromkeys((files.c.id, self._key, *(f.column for f in self._filters))))

    def _bounds(self, source: Columns) -> list[ColumnElement[bool]]:
        if self._after is None:
            return []
        here = tuple_(source[self._key.name], source.id)
        return [here < self._after if self._descending else here > self._after]

    def _order(self, source: Columns) -> list[ColumnElement[Any]]:
        return self._directed(source[self._key.name], source.id)

    def _directed(self, *columns: ColumnElement[Any]) -> list[ColumnElement[Any]]:
        return [column.desc() if self._descending else column for column in columns]


def _among_newest(parts: Iterable[str]) -> Select[Any]:
    """How many of the newest names have each of some parts."""
    names = select(files.c.search_key).order_by(files.c.upload_date.desc(), files.c.id.desc()).limit(NEWEST).subquery()
    has = (position(names.c.search_key, part) > 0 for part in parts)
    counts: list[ColumnElement[Any]] = [func.count().filter(one).label(f"part_{i}") for i, one in enumerate(has)]
    return select(*counts)


def _place(text: str, order: FileOrder) -> Tuple:
    """The key and id in a cursor; raises BAD_REQUEST where it is not of this order."""
    key, _ = _ORDERS[order]
    name, place, file_id = cursors.unpack(text, str, str if key is files.c.sort_key else int, str)
    try:
        value = from_microseconds(place) if key is files.c.upload_date else place
        row_id = UUID(file_id)
    except (ValueError, OverflowError):
        raise cursors.malformed() from None
    if name != order.value:
        raise cursors.malformed()
    return _typed(key, value, row_id)


def _places(where: FileFilter, key: Column[Any]) -> tuple[Tuple | None, Tuple | None]:
    """The least and the greatest place in an order that the filters on its key let through; None where any is."""
    sizes = [None if size is None else storable_size(size) for size in (where.min_size, where.max_size)]
    dates = [where.uploaded_after, where.uploaded_before]
    bounds: Mapping[str, Sequence[Any]] = {"size": sizes, "upload_date": dates, "sort_key": (None, None)}
    low, high = (
        None if end is None else _typed(key, end, UUID(int=file_id))
        for end, file_id in zip(bounds[key.name], (0, 2**128 - 1), strict=True)
    )
    return low, high


def _typed(key: Column[Any], value: Any, row_id: UUID) -> Tuple:
    return tuple_(literal(value, key.type), literal(row_id, files.c.id.type))
