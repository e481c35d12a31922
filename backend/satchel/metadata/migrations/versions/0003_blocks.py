"""Searches by blocks: every order in blocks, and what the names of each block hold."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from alembic import op

from satchel.metadata.clock import Moment

revision = "0003"
down_revision = "0002"

SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")
SORTED_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

BLOCK = 1024
FIRST_ID = UUID(int=0)

# What comes before all that a key can hold. A day less, and PostgreSQL's driver gives it back without a time zone.
STARTS = {"upload_date": datetime(1, 1, 2, tzinfo=UTC), "sort_key": "", "size": -1}

KEYS: dict[str, Any] = {"upload_date": Moment(), "sort_key": SORTED_TEXT, "size": sa.BigInteger(), "id": sa.Uuid()}
FILES = sa.table("files", *(sa.column(name, kind) for name, kind in KEYS.items()), sa.column("search_key", sa.Text))
FENCES = sa.table("fences", sa.column("number", SEQUENCE), *(sa.column(name, kind) for name, kind in KEYS.items()))


def upgrade() -> None:
    """Build the tables, and cut the files that are there."""
    op.create_table(
        "fences",
        sa.Column("number", SEQUENCE, nullable=False),
        sa.Column("sort_key", SORTED_TEXT),
        sa.Column("size", sa.BigInteger),
        sa.Column("upload_date", Moment),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("number", name="fences_pkey"),
    )
    for names in (["sort_key", "id"], ["size", "id"], ["upload_date", "id"]):
        op.create_index(f"fences_{'_'.join(names)}_idx", "fences", names)
    op.create_table(
        "fence_grams",
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("gram", SORTED_TEXT, nullable=False),
        sa.Column("writer", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("fence", "gram", "writer", name="fence_grams_pkey"),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    insert_grams = sa.text(GRAMS[connection.dialect.name])
    for name, start in STARTS.items():
        for number, block in enumerate(blocks(connection, FILES.c[name])):
            begin = {name: block[0].key, "id": block[0].id} if number else {name: start, "id": FIRST_ID}
            fence = connection.execute(sa.insert(FENCES).values(begin).returning(FENCES.c.number)).scalar_one()
            held = {gram for row in block for gram in grams(row.search_key)}
            connection.execute(insert_grams, {"fence": fence, "grams": orjson.dumps(sorted(held)).decode()})
    if connection.dialect.name == "postgresql":
        op.execute("ANALYZE fences")
        op.execute("ANALYZE fence_grams")


GRAMS = {
    "sqlite": "INSERT INTO fence_grams SELECT :fence, value, 0 FROM json_each(:grams)",
    "postgresql": "INSERT INTO fence_grams"
    " SELECT CAST(:fence AS bigint), gram, 0 FROM json_array_elements_text(CAST(:grams AS json)) AS gram",
}


def blocks(connection: sa.Connection, key: sa.ColumnClause[Any]) -> Iterator[Sequence[sa.Row[Any]]]:
    """The files in the order of a key, BLOCK at a time; the first block is there without files, too."""
    place = sa.tuple_(key, FILES.c.id)
    query: sa.Select[Any] = (
        sa.select(key.label("key"), FILES.c.id, FILES.c.search_key).order_by(key, FILES.c.id).limit(BLOCK)
    )
    rows = connection.execute(query).all()
    yield rows
    while len(rows) == BLOCK:
        last = sa.tuple_(sa.literal(rows[-1].key, key.type), sa.literal(rows[-1].id, sa.Uuid()))
        if rows := connection.execute(query.where(place > last)).all():
            yield rows


def grams(name: str) -> set[str]:
    """All that a name holds of one to three letters."""
    return {name[place : place + size] for size in (1, 2, 3) for place in range(len(name) - size + 1)}
