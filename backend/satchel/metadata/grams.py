"""The index behind the search: which names hold a term, in any script.

It knows each name by its grams: the three letters that begin at each place of the search key, at the last two places
what is left. A name that holds a term of three letters or more has all grams of the term; one that holds a shorter term
has a gram that begins with it. So no name is missed; some have the grams at other places, so the caller looks itself.

SQLite: a contentless FTS5 table by file number, which `add` and `remove` keep in step: triggers may not, unless the
schema is trusted. FTS5 indexes no gram of fewer than three letters, so two U+0001 follow each name; and it has no
prefixes within a trigram, so those are looked up in its vocabulary.

PostgreSQL: a GIN index on the grams as a tsvector, which keeps itself. Not pg_trgm, which knows only letters and
digits, and those only as far as the database's locale does, and reads its whole index for one or two letters.
"""

from collections.abc import Collection, Sequence
from typing import ClassVar
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, cast, column, func, insert, literal, select, table
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.ext.asyncio import AsyncConnection

from .dialects import DialectFunction
from .tables import files

INDEX = "files_gram"
"""What all names of its parts begin with."""

SIZE = 3
MAX_GRAMS = 4
"""Of a long term so many grams are looked up: each one costs time, and they hardly narrow the search further."""

_LAST = "\U0010ffff"

_fts = table("files_grams", column("rowid"), column("search_key"), column("files_grams"))
_vocabulary = table("files_gram_places", column("term"), column("doc"))

_fts_text = files.c.search_key + "\x01\x01"


async def add(c: AsyncConnection, file_ids: Collection[UUID]) -> None:
    """Enter files by the names that they have, in the transaction that has given them."""
    if c.dialect.name == "sqlite":
        names = select(files.c.number, _fts_text).where(files.c.id.in_(file_ids))
        await c.execute(insert(_fts).from_select([_fts.c.rowid, _fts.c.search_key], names))


async def remove(c: AsyncConnection, file_ids: Collection[UUID]) -> None:
    """Take out files while they still have the names by which they are in."""
    if c.dialect.name == "sqlite":
        names = select(literal("delete"), files.c.number, _fts_text).where(files.c.id.in_(file_ids))
        await c.execute(insert(_fts).from_select([_fts.c.files_grams, _fts.c.rowid, _fts.c.search_key], names))


class position(DialectFunction):  # noqa: N801 - it reads as the SQL function that it is
    """Where a text holds another, from one; zero where it does not.

    Not LIKE, for which PostgreSQL makes the pattern anew for each row as soon as it keeps the plan of a statement.
    """

    type = Integer()
    name = "position"
    inherit_cache = True
    spelled: ClassVar = {"postgresql": "strpos({})", "sqlite": "instr({})"}


def may_hold(parts: Sequence[str], limit: int, dialect: str) -> ColumnElement[bool]:
    """Whether a file's name has all these grams of a term, as `of_term` gives them; best the rarest first.

    `limit` is how many files will be taken at most. The dialect is that of the connection.
    """
    is_short = len(parts[0]) < SIZE
    if dialect == "sqlite":
        # Here the limit has to be inside: a list for IN is always made whole.
        numbers = select(_fts.c.rowid).where(_fts.c.files_grams.op("MATCH")(_fts_query(parts)))
        if is_short:
            begins = _vocabulary.c.term.between(parts[0], parts[0] + _LAST * SIZE)
            numbers = select(_vocabulary.c.doc).distinct().where(begins)
        return files.c.number.in_(numbers.limit(limit))
    return func.files_grams(files.c.search_key).op("@@")(cast(_tsquery(parts) + ":*" * is_short, TSQUERY))


def of_name(name: str) -> set[str]:
    """What is written down of a folded name where short terms are looked up too: all it holds of one to three letters.

    A name that holds a term has all that `of_term` gives of the term.
    """
    return {name[place : place + size] for size in range(1, SIZE + 1) for place in range(len(name) - size + 1)}


def of_term(term: str, most: int = MAX_GRAMS, apart: int = SIZE) -> list[str]:
    """Some grams of a folded, non-empty term, from its first to its last, `apart` places or more from each other.

    A term of fewer letters is all that is left of its gram.
    """
    last = max(0, len(term) - SIZE)
    steps = min(most - 1, -(-last // apart))
    places = {last * step // steps for step in range(steps + 1)} if steps else {0}
    return [term[place : place + SIZE] for place in sorted(places)]


def _fts_query(parts: Sequence[str]) -> str:
    return " AND ".join('"{}"'.format(gram.replace('"', '""')) for gram in parts)


def _tsquery(parts: Sequence[str]) -> str:
    return " & ".join("'{}'".format(gram.replace("\\", "\\\\").replace("'", "''")) for gram in parts)
