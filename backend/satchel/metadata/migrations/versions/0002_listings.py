"""Fast listings: files by number, an index for every order behind every filter, and an index of the names' grams."""

import sqlalchemy as sa
from alembic import op

from satchel.metadata.clock import Moment

revision = "0002"
down_revision = "0001"

SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")
SORTED_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

SQLITE = (
    # detail=none: only which names have a gram. trigram folds no case, that has been done.
    "CREATE VIRTUAL TABLE files_grams USING fts5"
    "(search_key, content='', columnsize=0, detail=none, tokenize='trigram case_sensitive 1')",
    "CREATE VIRTUAL TABLE files_gram_places USING fts5vocab(files_grams, instance)",
    "INSERT INTO files_grams (rowid, search_key) SELECT number, search_key || char(1, 1) FROM files",
)

POSTGRESQL = (
    # The cost keeps it out of all plans but those that read the index; and to start parallel workers would take longer
    # than that.
    """CREATE FUNCTION files_grams(name text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE STRICT PARALLEL RESTRICTED COST 10000
    AS $$SELECT array_to_tsvector(array(SELECT substr(name, n, 3) FROM generate_series(1, length(name)) AS n))$$""",
    # Without fastupdate: what has not been sorted in yet would be read by every search.
    "CREATE INDEX files_grams_idx ON files USING gin (files_grams(search_key)) WITH (fastupdate = off)",
    # So that plans are made with the rows that were here before.
    "ANALYZE files",
)


def upgrade() -> None:
    """Build the table of files anew, with its rows, and then its indexes."""
    op.execute("CREATE TABLE files_before AS SELECT * FROM files")
    op.drop_table("files")
    op.create_table(
        "files",
        sa.Column("number", SEQUENCE, nullable=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("blob_id", SEQUENCE, nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("upload_date", Moment, nullable=False),
        sa.Column("sort_key", SORTED_TEXT, nullable=False),
        sa.Column("search_key", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="files_pkey"),
        sa.UniqueConstraint("id", name="files_id_key"),
        sa.ForeignKeyConstraint(["blob_id"], ["blobs.id"], name="files_blob_id_fkey"),
    )
    op.execute(
        "INSERT INTO files (id, blob_id, filename, content_type, kind, size, upload_date, sort_key, search_key)"
        " SELECT id, blob_id, filename, content_type, kind, size, upload_date, substr(sort_key, 1, 256), search_key"
        " FROM files_before ORDER BY upload_date, id"
    )
    op.drop_table("files_before")
    for names in (
        ["upload_date", "id", "size", "search_key"],
        ["sort_key", "id", "size", "upload_date", "search_key"],
        ["size", "id", "upload_date", "search_key", "blob_id"],
        ["kind", "upload_date", "id", "size", "search_key"],
        ["kind", "sort_key", "id", "size", "upload_date", "search_key"],
        ["kind", "size", "id", "upload_date", "search_key"],
        ["content_type", "upload_date", "id"],
        ["content_type", "sort_key", "id"],
        ["content_type", "size", "id"],
        ["blob_id", "upload_date", "id"],
        ["blob_id", "sort_key", "id"],
    ):
        op.create_index(f"files_{'_'.join(names)}_idx", "files", names)
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.execute(statement)
