"""Which blobs are damaged, and how far the scrub has come."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add a column and a table of one row."""
    op.add_column("blobs", sa.Column("damaged", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "scrub", sa.Column("position", sa.Text, nullable=False), sa.PrimaryKeyConstraint("position", name="scrub_pkey")
    )
    op.execute("INSERT INTO scrub (position) VALUES ('')")
