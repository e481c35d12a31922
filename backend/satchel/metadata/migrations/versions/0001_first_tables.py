"""The first tables: blobs, files, uploads, garbage, events and idempotency keys."""

import secrets

import sqlalchemy as sa
from alembic import op

from satchel.metadata.clock import Moment

revision = "0001"
down_revision = None

SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")
SORTED_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables, and begin an event log."""
    op.create_table(
        "blobs",
        sa.Column("id", SEQUENCE, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("object_name", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="blobs_pkey"),
        sa.CheckConstraint("length(sha256) = 64", name=op.f("blobs_sha256_check")),
        sa.CheckConstraint("size >= 0", name=op.f("blobs_size_check")),
        sa.UniqueConstraint("sha256", name="blobs_sha256_key"),
        sa.UniqueConstraint("object_name", name="blobs_object_name_key"),
    )
    op.create_table(
        "files",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("blob_id", SEQUENCE, nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("upload_date", Moment, nullable=False),
        sa.Column("sort_key", SORTED_TEXT, nullable=False),
        sa.Column("search_key", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="files_pkey"),
        sa.ForeignKeyConstraint(["blob_id"], ["blobs.id"], name="files_blob_id_fkey"),
    )
    for columns in (
        ["upload_date", "id"],
        ["sort_key", "id"],
        ["size", "id"],
        ["kind", "upload_date", "id"],
        ["kind", "sort_key", "id"],
        ["kind", "size", "id"],
        ["content_type", "upload_date", "id"],
        ["blob_id", "upload_date", "id"],
    ):
        op.create_index(f"files_{'_'.join(columns)}_idx", "files", columns)
    op.create_table(
        "uploads",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("object_name", sa.Text, nullable=False),
        sa.Column("lease_until", Moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="uploads_pkey"),
        sa.UniqueConstraint("object_name", name="uploads_object_name_key"),
    )
    op.create_index("uploads_lease_until_idx", "uploads", ["lease_until"])
    op.create_table(
        "garbage",
        sa.Column("object_name", sa.Text, nullable=False),
        sa.Column("not_before", Moment, nullable=False),
        sa.Column("claimed_until", Moment),
        sa.PrimaryKeyConstraint("object_name", name="garbage_pkey"),
    )
    op.create_index("garbage_not_before_idx", "garbage", ["not_before"])
    op.create_table(
        "events",
        sa.Column("id", SEQUENCE, nullable=False),
        sa.Column("transaction", sa.BigInteger, nullable=False, server_default=sa.text(_transaction())),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("file_id", sa.Uuid, nullable=False),
        sa.Column("snapshot", sa.JSON, nullable=False),
        sa.Column("created", Moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="events_pkey"),
        sqlite_autoincrement=True,
    )
    op.create_index("events_created_idx", "events", ["created"])
    op.create_index("events_transaction_id_idx", "events", ["transaction", "id"])
    event_log = op.create_table(
        "event_log",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("horizon_transaction", sa.BigInteger, nullable=False),
        sa.Column("horizon_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="event_log_pkey"),
    )
    op.bulk_insert(event_log, [{"id": secrets.token_urlsafe(9), "horizon_transaction": 0, "horizon_id": 0}])
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("file_id", sa.Uuid, nullable=False),
        sa.Column("expires_at", Moment, nullable=False),
        sa.PrimaryKeyConstraint("key", name="idempotency_keys_pkey"),
    )
    op.create_index("idempotency_keys_expires_at_idx", "idempotency_keys", ["expires_at"])


def _transaction() -> str:
    """What numbers the transactions of a database."""
    return "pg_current_xact_id()::text::bigint" if op.get_bind().dialect.name == "postgresql" else "0"
