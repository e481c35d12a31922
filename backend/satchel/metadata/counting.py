"""How many files match a filter, in all and of each kind."""

from dataclasses import replace
from typing import Any

from sqlalchemy import Column, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from . import conditions
from .conditions import Columns, conditions_of
from .records import FileFilter, FileKind
from .tables import files


async def count(c: AsyncConnection, where: FileFilter) -> int:
    """How many files match. Raises BAD_REQUEST for text that no file can hold.

    Exact: where no filter lets few files through, the time grows with the number of files.
    """
    number: int = (await c.execute(await _counting(c, where))).scalar_one()
    return number


async def count_kinds(c: AsyncConnection, where: FileFilter) -> dict[FileKind, int]:
    """How many files of each kind match all but the kind that is asked for; as `count` in all else."""
    counted = await c.execute(await _counting(c, replace(where, kind=None), files.c.kind))
    numbers = {FileKind(kind): number for kind, number in counted}
    return {kind: numbers.get(kind, 0) for kind in FileKind}


async def _counting(c: AsyncConnection, where: FileFilter, *groups: Column[Any]) -> Select[Any]:
    """A query for the number of files that match, in all or behind the columns that they are grouped by."""
    filters = conditions_of(where)
    source: Columns = files.c
    for search in filters:
        if search.term and (await c.execute(select(search.number(c.dialect.name)))).scalar_one() <= conditions.FEW:
            columns = {column.name: column for column in (*(f.column for f in filters), *groups)}
            source = search.candidates(c.dialect.name, [*columns.values()]).subquery().c
    grouped = [source[column.name] for column in groups]
    matches = select(*grouped, func.count()).where(*(f.holds(source) for f in filters)).group_by(*grouped)
    return matches if filters or groups else matches.select_from(files)
