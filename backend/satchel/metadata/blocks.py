"""The orders in blocks: which stretches of an order have names that may hold a term.

Each order is cut into blocks of some BLOCK files. A block begins at its fence, the key and id of the first file that
may lie in it, and goes up to the next fence; since the id is a part of it, a block can be cut where many files have the
same key, too. Of each block it is written down what its names hold of one to three letters. A name that was deleted, or
is another one now, leaves what it held: that block is searched in vain, until it is split.

A file is entered by the transaction that gives it its name, into the blocks that it finds. Were one split meanwhile,
the new block would not know of that name. On SQLite writers take turns. On PostgreSQL all that enter share a lock,
which they hold until they have committed; whoever splits holds it alone, so that it sees what all before it have
entered, and all behind it see the new fence. It holds no other lock then, and waits for this one no longer than
LOCK_TIMEOUT: who comes later waits behind it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import orjson
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    FromClause,
    Join,
    ScalarSelect,
    Select,
    Subquery,
    Tuple,
    any_,
    delete,
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
from .names import MAX_KEY, fold, natural_key
from .records import FileRecord
from .spelling import Spelled
from .tables import fence_grams, fences, files

BLOCK = 1024
"""Files in a block that was just made. One that has grown beyond twice as many is split."""
LOOK = 1 / 64
"""The share of new names after which it is looked whether their blocks have grown."""
MAX_GRAMS = 12
"""Of a long term so many grams are looked up. Each but the first is asked for only where all before it were found."""
SAMPLE = 50
"""Blocks, or up to twice as many, by which it is told how many there are that may hold a term."""
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


class shared_lock(Spelled):  # noqa: N801 - it reads as the SQL function that it is
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
_ADD = """
WITH entered AS ({entered}), homes AS MATERIALIZED ({homes})
INSERT INTO fence_grams (fence, gram, writer)
SELECT homes.fence, gram.value, {writer} FROM homes CROSS JOIN {each_gram} AS gram
WHERE (SELECT 1 FROM fence_grams AS present
       WHERE present.fence = homes.fence AND present.gram = gram.value LIMIT 1) IS NULL
ON CONFLICT DO NOTHING
"""
_ADD_TO = {
    "sqlite": text(
        _ADD.format(
            entered="SELECT value ->> 'id' AS id, value ->> 'upload_date' AS upload_date, value ->> 'size' AS size,"
            " value ->> 'sort_key' AS sort_key, value -> 'grams' AS grams FROM json_each(:entered)",
            homes=_HOMES,
            writer="0",
            each_gram="json_each(homes.grams)",
        )
    ),
    "postgresql": text(
        _ADD.format(
            entered="SELECT * FROM json_to_recordset(CAST(:entered AS json))"
            " AS file (id uuid, upload_date timestamptz, size bigint, sort_key text, grams json)",
            homes=_HOMES,
            writer="CAST(CAST(CAST(pg_current_xact_id() AS text) AS bigint) % 32768 AS smallint)",
            each_gram="json_array_elements_text(homes.grams)",
        )
    ),
}
_ADD_ALL = {
    "sqlite": text("INSERT INTO fence_grams SELECT :fence, value, 0 FROM json_each(:grams)"),
    "postgresql": text(
        "INSERT INTO fence_grams"
        " SELECT CAST(:fence AS bigint), gram, 0 FROM json_array_elements_text(CAST(:grams AS json)) AS gram"
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
    query = (
        select(fence.number, fence_key.label("key"), fence.id)
        .where(*conditions, *_may_hold(grams.of_term(term, MAX_GRAMS, apart=1)))
        .limit(limit)
    )
    return query.order_by(*(column.desc() if descending else column for column in (fence_key, fence.id)))


def sample(term: str) -> Select[Any]:
    """Of some SAMPLE blocks of the order by date, how many may hold the term: `hits` of `asked`, of `in_all`."""
    dated, number = fences.c.upload_date.is_not(None), fences.c.number
    blocks = select(select(func.count().label("number")).where(dated).cte("dated").c.number).scalar_subquery()
    some = select(number).where(dated, number % (blocks // SAMPLE + 1) == 0).subquery()
    hits = (
        select(func.count())
        .select_from(fences)
        .where(number.in_(select(some.c.number)), *_may_hold(grams.of_term(term)))
    )
    asked = select(func.count()).select_from(some).scalar_subquery()
    return select(hits.scalar_subquery().label("hits"), asked.label("asked"), blocks.label("in_all"))


def _may_hold(grams_of_term: Iterable[str]) -> list[ColumnElement[bool]]:
    """Whether the names of a block may hold a term, by its grams."""
    conditions: list[ColumnElement[bool]] = []
    for gram in grams_of_term:
        has = select(literal(1)).where(fence_grams.c.fence == fences.c.number, fence_grams.c.gram == gram).limit(1)
        # Not as EXISTS, which PostgreSQL may turn into a join with all that has the gram.
        conditions.append(has.scalar_subquery().is_not(None))
    return conditions


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
    first_id = func.coalesce(fences.c.id, literal(_MAX_ID, files.c.id.type)).label("first_id")
    columns = fences.c.number, fence_key.label("key"), fences.c.id, first_id, *names
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
    await c.execute(delete(fence_grams).where(fence_grams.c.fence == rows[0].fence))
    starts = range(0, len(rows) - BLOCK + 1, BLOCK)
    for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
        fence = rows[0].fence
        if start:
            begin = {key.name: rows[start].key, "id": rows[start].id}
            fence = (await c.execute(insert(fences).values(begin).returning(fences.c.number))).scalar_one()
        held = set().union(*(grams.of_name(row.search_key) for row in rows[start:end]))
        await c.execute(_ADD_ALL[c.dialect.name], {"fence": fence, "grams": orjson.dumps(sorted(held)).decode()})


def _entries(key: Column[Any], file_id: UUID, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
    """The files in the block of a file, beside the number of its `fence`."""
    place = tuple_(*(select(column).where(files.c.id == file_id).scalar_subquery() for column in (key, files.c.id)))
    home = _home(key, place, fences.c.number)
    block = _ranges(key).where(fences.c.number == home[0]).limit(1).subquery().c
    return select(block.number.label("fence"), *columns).where(*within(key, block))
