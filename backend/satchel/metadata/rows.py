"""Files between rows and records: what every statement that returns files selects, and what text a row can hold."""

import re
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Row, Select, select

from satchel.errors import Code, SatchelError

from .records import FileKind, FileRecord
from .tables import blobs, files

DatabaseRow = Row[*tuple[Any, ...]]

FILES = files.join(blobs)

_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")


def select_files(*conditions: ColumnElement[bool], source: FromClause = FILES) -> Select[Any]:
    """The files for which the conditions hold, with the columns of `to_record`; from a `source` that joins FILES."""
    c = files.c
    columns = (c.id, c.filename, c.content_type, c.kind, c.size, blobs.c.sha256, blobs.c.object_name, c.upload_date)
    return select(*columns).select_from(source).where(*conditions)


def to_record(row: DatabaseRow) -> FileRecord:
    """The file of a row that `select_files` gave."""
    return FileRecord(
        id=row.id,
        filename=row.filename,
        content_type=row.content_type,
        kind=FileKind(row.kind),
        size=row.size,
        sha256=row.sha256,
        object_name=row.object_name,
        upload_date=row.upload_date,
    )


def storable(text: str) -> str:
    """The text itself; raises BAD_REQUEST where no database can hold it."""
    if _NOT_STORABLE.search(text):
        raise SatchelError(Code.BAD_REQUEST, "The text holds a NUL or half a surrogate pair, which is no character.")
    return text
