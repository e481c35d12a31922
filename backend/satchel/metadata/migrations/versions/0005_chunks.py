"""The grams of blocks as bits: a row for some dozen blocks in place of one for each."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

SORTED_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

CHUNK = 62

BITS = {
    "sqlite": "sum(DISTINCT 1 << fence % 62)",
    "postgresql": "bit_or(CAST(1 AS bigint) << CAST(fence % 62 AS integer))",
}


def upgrade() -> None:
    """Build the table from the one that was before."""
    op.create_table(
        "chunk_grams",
        sa.Column("chunk", sa.BigInteger, nullable=False),
        sa.Column("gram", SORTED_TEXT, nullable=False),
        sa.Column("writer", sa.SmallInteger, nullable=False),
        sa.Column("fences", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("chunk", "gram", "writer", name="chunk_grams_pkey"),
        sqlite_with_rowid=False,
    )
    connection = op.get_bind()
    last = connection.execute(sa.text("SELECT max(number) FROM fences")).scalar_one()
    # Chunk by chunk, so that no database needs room to sort it all.
    fill = sa.text(
        f"INSERT INTO chunk_grams SELECT fence / {CHUNK}, gram, 0, {BITS[connection.dialect.name]} FROM fence_grams"  # noqa: S608
        " WHERE fence BETWEEN :first AND :last GROUP BY 1, 2"
    )
    for first in range(0, last + 1, CHUNK):
        connection.execute(fill, {"first": first, "last": first + CHUNK - 1})
    op.drop_table("fence_grams")
    if connection.dialect.name == "postgresql":
        op.execute("ANALYZE chunk_grams")
