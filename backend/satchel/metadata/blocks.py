"""The orders in blocks: which stretches of an order have names that may hold a term.

Each order is cut into blocks of some BLOCK files. A block begins at its fence, the key and id of the first file that
may lie in it, and goes up to the next fence; since the id is a part of it, a block can be cut where many files have the
same key, too. Of each block it is written down what its names hold of one to three letters. A name that was deleted, or
is another one now, leaves what it held: that block is searched in vain, until it is split.

That is written by gram: in which of CHUNK fences it is, as the bits of a number. Which blocks may hold a term is then
told by some rows of each of its grams, where there would be one for each block.

A file is entered by the transaction that gives it its name, into the blocks that it finds. Were one split meanwhile,
the new block would not know of that name. On SQLite writers take turns. On PostgreSQL all that enter share a lock,
which they hold until they have committed; whoever splits holds it alone, so that it sees what all before it have
entered, and all behind it see the new fence. It holds no other lock then, and waits for this one no longer than
LOCK_TIMEOUT: who comes later waits behind it. Those who share the lock do not wait for each other's rows either: each
writes bits of its own, which the next split in that chunk puts together.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any, ClassVar
from uuid import UUID

import orjson
from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    Column,
    ColumnElement,
    FromClause,
    Integer,
    Join,
    ScalarSelect,
    Select,
    Subquery,
    Tuple,
    any_,
    case,
    cast,
    func,
    insert,
    literal,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from . import grams
from .clock import to_microseconds
from .cursors import MAX_INT
from .dialects import DialectFunction
from .names import MAX_KEY, fold, natural_key
from .records import FileRecord
from .tables import chunk_grams, fences, files

BLOCK = 1024
"""Files in a block that was just made. One that has grown beyond twice as many is split."""
LOOK = 1 / 64
"""The share of new names after which it is looked whether their blocks have grown."""
MAX_GRAMS = 12
"""Of a long term so many grams are looked up."""
CHUNK = 62
"""Fences to a chunk: a bit each of a database's integer. The tables are written so, it stays what it is."""
LOCK_TIMEOUT = timedelta(milliseconds=200)
"""How long a block that is to be split waits for those who enter names, and so do all who come behind it."""

_LOCK = 7305808869229538925
"""The key of PostgreSQL's advisory lock: any number, but always this one."""

_MAX_ID = UUID(int=2**128 - 1)

# The column that each order goes by, and what comes behind all that it can hold.
_ENDS: Mapping[Column[Any], Any] = {
    files.c.upload_date: datetime.max.replace(tzinfo=UTC),
    files.c.sort_key: "\U0010ffff" * (MAX_KEY + 1),
    files.c.size: MAX_INT,
}


class shared_lock(DialectFunction):  # noqa: N801 - it reads as the SQL function that it is
    """Keeps the blocks as they are until the end of the transaction: to be selected before any name is entered."""

    type = BigInteger()
    name = "shared_lock"
    inherit_cache = True
    spelled: ClassVar = {"postgresql": f"(pg_advisory_xact_lock_shared({_LOCK}) IS NULL)::int", "sqlite": "0"}


# For each file the fences of its blocks, one of each order; then each of them with each gram of its name. No words but
# our own are in it. What others have entered but not committed is not seen, and entered once more: nobody waits.
_HOMES = " UNION ALL ".join(
    f"""
    SELECT grams, (
        SELECT number FROM fences WHERE (fences.{key.name}, fences.id) <= (entered.{key.name}, entered.id)
        ORDER BY fences.{key.name} DESC, fences.id DESC LIMIT 1
    ) AS fence FROM entered
    """  # noqa: S608
    for key in _ENDS
)
_ADD = f"""
WITH entered AS ({{entered}}), homes AS ({_HOMES}),
places AS MATERIALIZED (SELECT grams, fence / {CHUNK} AS chunk, {{bit}} AS bit FROM homes)
INSERT INTO chunk_grams (chunk, gram, writer, fences)
SELECT places.chunk, gram.value, {{writer}}, {{all_bits}} FROM places CROSS JOIN {{each_gram}} AS gram
WHERE (SELECT 1 FROM chunk_grams AS present
       WHERE present.chunk = places.chunk AND present.gram = gram.value AND present.fences & places.bit <> 0
       LIMIT 1) IS NULL
GROUP BY places.chunk, gram.value
ON CONFLICT (chunk, gram, writer) DO UPDATE SET fences = chunk_grams.fences | excluded.fences
"""  # noqa: S608
_ADD_TO = {
    "sqlite": text(
        _ADD.format(
            entered="SELECT value ->> 'id' AS id, value ->> 'upload_date' AS upload_date, value ->> 'size' AS size,"
            " value ->> 'sort_key' AS sort_key, value -> 'grams' AS grams FROM json_each(:entered)",
            bit=f"1 << fence % {CHUNK}",
            writer="0",
            all_bits="sum(DISTINCT places.bit)",
            each_gram="json_each(places.grams)",
        )
    ),
    "postgresql": text(
        _ADD.format(
            entered="SELECT * FROM json_to_recordset(CAST(:entered AS json))"
            " AS file (id uuid, upload_date timestamptz, size bigint, sort_key text, grams json)",
            bit=f"CAST(1 AS bigint) << CAST(fence % {CHUNK} AS integer)",
            writer="CAST(1 + CAST(CAST(pg_current_xact_id() AS text) AS bigint) % 32767 AS smallint)",
            all_bits="bit_or(places.bit)",
            each_gram="json_array_elements_text(places.grams)",
        )
    ),
}


async def add(c: AsyncConnection, records: Iterable[FileRecord]) -> None:
    """Enter files by the names that they have now, while the `shared_lock` is held."""
    entered = [
        {
            "id": record.id.hex,
            "upload_date": to_microseconds(record.upload_date) if c.dialect.name == "sqlite" else record.upload_date,
            "size": record.size,
            "sort_key": natural_key(record.filename),
            "grams": list(grams.of_name(fold(record.filename))),
        }
        for record in records
    ]
    if entered:
        await c.execute(_ADD_TO[c.dialect.name], {"entered": orjson.dumps(entered).decode()})


# Searching


def holding(
    key: Column[Any],
    term: str,
    *,
    low: Tuple | None,
    high: Tuple | None,
    behind: Tuple | None,
    descending: bool,
    limit: int | ScalarSelect[int],
) -> Select[Any]:
    """The first blocks of the order by `key` whose names may hold a folded, non-empty term: number, key and id.

    `low` and `high` are places that files may have, between which some part of a block must lie. `behind` is the place
    of a fence: its block is left out, and all before it.
    """
    fence, fence_key = fences.c, fences.c[key.name]
    place = tuple_(fence_key, fence.id)
    conditions: list[ColumnElement[bool]] = [fence_key.is_not(None)]
    if low is not None:
        conditions.append(place >= tuple_(*_home(key, low, fence_key, fence.id)))
    if high is not None:
        conditions.append(place <= high)
    if behind is not None:
        conditions.append(place < behind if descending else place > behind)
    source, may_hold = _marked(conditions, grams.of_term(term, MAX_GRAMS, apart=1))
    query = select(fence.number, fence_key.label("key"), fence.id).select_from(source).where(*conditions, may_hold)
    return query.order_by(*(column.desc() if descending else column for column in (fence_key, fence.id))).limit(limit)


def share(term: str) -> Select[Any]:
    """Of the blocks of the order by date, how many may hold the term: `hits` of `in_all`."""
    dated = fences.c.upload_date.is_not(None)
    source, may_hold = _marked([dated], grams.of_term(term))
    counts: list[ColumnElement[Any]] = [func.count().filter(may_hold).label("hits"), func.count().label("in_all")]
    return select(*counts).select_from(source).where(dated)


class _all_bits(DialectFunction):  # noqa: N801
    """The bits that any of some rows has. On SQLite there is one row, because there is one writer."""

    type = BigInteger()
    name = "all_bits"
    inherit_cache = True
    spelled: ClassVar = {"postgresql": "bit_or({})", "sqlite": "max({})"}


def _marked(conditions: Iterable[ColumnElement[bool]], parts: Iterable[str]) -> tuple[FromClause, ColumnElement[bool]]:
    """The fences, joined with what tells of those that meet the conditions whether they have all these grams.

    Chunk by chunk and not fence by fence: there are hundreds of fences to an order, in some dozen chunks.
    """
    chunk = fences.c.number // CHUNK
    chunks = _materialized(select(chunk.label("chunk")).where(*conditions).distinct())
    bits: list[ColumnElement[int]] = [
        func.coalesce(
            select(_all_bits(chunk_grams.c.fences))
            .where(chunk_grams.c.chunk == chunks.c.chunk, chunk_grams.c.gram == part)
            .scalar_subquery(),
            0,
        )
        for part in parts
    ]
    common = reduce(lambda some, more: some.bitwise_and(more), bits)
    marks = _materialized(select(chunks.c.chunk, common.label("fences")))
    mark = marks.c.fences.bitwise_rshift(cast(fences.c.number % CHUNK, Integer))
    return fences.join(marks, marks.c.chunk == chunk), mark.bitwise_and(1) == 1


def _materialized(query: Select[Any]) -> CTE:
    """A query that the database runs once, and not within another."""
    return query.cte().prefix_with("MATERIALIZED")


def ranges(key: Column[Any], numbers: Sequence[int], dialect: str) -> Subquery:
    """Where some blocks of an order begin and end: `key`, `id`, `end_key`, `end_id`."""
    these: ColumnElement[bool] = fences.c.number == any_(literal(numbers, ARRAY(BigInteger)))
    if dialect == "sqlite":
        wanted = func.json_each(orjson.dumps(numbers).decode()).table_valued("value")
        # Not by number: it would have to sort all blocks before the first file, and not only those of each block.
        these = (fences.c.number + 0).in_(select(wanted.c.value))
    return _ranges(key).where(these).subquery()


def within(key: Column[Any], block: Any) -> list[ColumnElement[bool]]:
    """Whether a file lies in a block of the order by `key`, whose bounds are the columns of `ranges`."""
    place = tuple_(key, files.c.id)
    return [place >= tuple_(block.key, block.first_id), place < tuple_(block.end_key, block.end_id)]


class cross_join(Join):  # noqa: N801
    """A join that SQLite reads as it stands, for each row on the left those on the right; it does not know better."""

    inherit_cache = True

    def __init__(self, left: FromClause, right: FromClause) -> None:
        super().__init__(left, right, true())


@compiles(cross_join, "sqlite")
def _cross_join(element: cross_join, compiler: SQLCompiler, **kw: Any) -> str:
    kw |= {"asfrom": True, "from_linter": None}
    return f"{compiler.process(element.left, **kw)} CROSS JOIN {compiler.process(element.right, **kw)}"


def _ranges(key: Column[Any]) -> Select[Any]:
    """The blocks of an order with their bounds."""
    fence_key, following = fences.c[key.name], fences.alias("following").c
    places = following[key.name], following.id

    def end(column: ColumnElement[Any], none: Any) -> ColumnElement[Any]:
        behind = tuple_(*places) > tuple_(fence_key, fences.c.id)
        return func.coalesce(select(column).where(behind).order_by(*places).limit(1).scalar_subquery(), none)

    ends = end(places[0], literal(_ENDS[key], key.type)), end(places[1], literal(_MAX_ID, files.c.id.type))
    names = ends[0].label("end_key"), ends[1].label("end_id")
    # SQLite compares a column of text with a column of another table, but not by index.
    # As a query within the query, which it asks last: in the index it has already begun there, most files need no more.
    first_id = select(func.coalesce(fences.c.id, literal(_MAX_ID, files.c.id.type))).correlate(fences).scalar_subquery()
    columns = fences.c.number, fence_key.label("key"), fences.c.id, first_id.label("first_id"), *names
    return select(*columns).where(fence_key.is_not(None))


def _home(key: Column[Any], place: ColumnElement[Any], *columns: Column[Any]) -> list[ScalarSelect[Any]]:
    """Columns of the fence of the block that a place of the order lies in."""
    home = fences.alias("home").c
    before = tuple_(home[key.name], home.id) <= place
    order = home[key.name].desc(), home.id.desc()
    return [select(home[c.name]).where(before).order_by(*order).limit(1).scalar_subquery() for c in columns]


# Splitting


async def split_grown(c: AsyncConnection, file_id: UUID) -> None:
    """Split the blocks of a file that have grown, in a transaction that does nothing else."""
    for key in _ENDS:
        if await _has_grown(c, key, file_id):
            await _hold_alone(c)
            await _split(c, key, file_id)


_GRAMS = {"sqlite": "json_each(:grams)", "postgresql": "json_array_elements_text(CAST(:grams AS json))"}
# Put together what others have written side by side; then set the bit of the fence, take it back, and drop what is left
# without any. Rows that have it right already are not touched.
_FOLD = """
WITH others AS (DELETE FROM chunk_grams WHERE chunk = :chunk AND writer <> 0 RETURNING chunk, gram, fences)
INSERT INTO chunk_grams SELECT chunk, gram, 0, bit_or(fences) FROM others GROUP BY chunk, gram
ON CONFLICT (chunk, gram, writer) DO UPDATE SET fences = chunk_grams.fences | excluded.fences
"""
_SET = """
INSERT INTO chunk_grams SELECT CAST(:chunk AS bigint), value, 0, CAST(:bit AS bigint) FROM {grams} AS gram WHERE true
ON CONFLICT (chunk, gram, writer) DO UPDATE SET fences = chunk_grams.fences | excluded.fences
WHERE chunk_grams.fences & excluded.fences = 0
"""
_TAKE_BACK = """
UPDATE chunk_grams SET fences = fences - CAST(:bit AS bigint)
WHERE chunk = :chunk AND fences & CAST(:bit AS bigint) <> 0 AND gram NOT IN (SELECT value FROM {grams} AS gram)
"""
_DROP = "DELETE FROM chunk_grams WHERE chunk = :chunk AND fences = 0"
_REWRITE = {
    dialect: [
        text(statement.format(grams=grams_of))
        for statement in ([_FOLD] * (dialect == "postgresql") + [_SET, _TAKE_BACK, _DROP])
    ]
    for dialect, grams_of in _GRAMS.items()
}


async def _has_grown(c: AsyncConnection, key: Column[Any], file_id: UUID) -> bool:
    entries = _entries(key, file_id, [literal(1).label("one")]).limit(2 * BLOCK + 1).subquery()
    return (await c.execute(select(func.count()).select_from(entries))).scalar_one() > 2 * BLOCK


async def _hold_alone(c: AsyncConnection) -> None:
    if c.dialect.name == "postgresql":
        await c.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT // timedelta(milliseconds=1)}"))
        await c.execute(select(func.pg_advisory_xact_lock(_LOCK)))


async def _split(c: AsyncConnection, key: Column[Any], file_id: UUID) -> None:
    """Cut the block of a file into such of BLOCK files, the last one up to twice as long."""
    entries = _entries(key, file_id, [key.label("key"), files.c.id, files.c.search_key])
    rows = (await c.execute(entries.order_by(key, files.c.id))).all()
    if len(rows) <= 2 * BLOCK:
        return  # somebody else has split it
    starts = range(0, len(rows) - BLOCK + 1, BLOCK)
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        fence = rows[0].fence
        if start:
            begin = {"number": _free_number(key), key.name: rows[start].key, "id": rows[start].id}
            fence = (await c.execute(insert(fences).values(begin).returning(fences.c.number))).scalar_one()
        held = set().union(*(grams.of_name(row.search_key) for row in rows[start:end]))
        await _rewrite(c, fence, held)


def _free_number(key: Column[Any]) -> ScalarSelect[int]:
    """The number of the next fence of an order: in the chunk of the last one, or in a new chunk.

    So the fences of one order lie in as few chunks as may be.
    """
    number = fences.c.number
    last = select(func.max(number).label("number")).where(fences.c[key.name].is_not(None)).subquery().c.number
    is_taken = select(number).where(number == last + 1).exists() | ((last + 1) % CHUNK == 0)
    new_chunk = (select(func.max(number)).scalar_subquery() // CHUNK + 1) * CHUNK
    return select(case((is_taken, new_chunk), else_=last + 1)).scalar_subquery()


async def _rewrite(c: AsyncConnection, fence: int, held: Collection[str]) -> None:
    """Write down what a block holds in place of what was written before, alone."""
    values = {"chunk": fence // CHUNK, "bit": 1 << fence % CHUNK, "grams": orjson.dumps(sorted(held)).decode()}
    for statement in _REWRITE[c.dialect.name]:
        await c.execute(statement, {name: values[name] for name in statement.compile().params})


def _entries(key: Column[Any], file_id: UUID, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
    """The files in the block of a file, beside the number of its `fence`."""
    place = tuple_(*(select(column).where(files.c.id == file_id).scalar_subquery() for column in (key, files.c.id)))
    home = _home(key, place, fences.c.number)
    block = _ranges(key).where(fences.c.number == home[0]).limit(1).subquery().c
    return select(block.number.label("fence"), *columns).where(*within(key, block))
