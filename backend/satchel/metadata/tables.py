"""The tables. `migrations/` builds the same; a test holds the two together."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    false,
)

from .clock import Moment, current_transaction

schema = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


def _sequence(name: str = "id") -> Column[int]:
    """A 64-bit key that counts up. SQLite counts only in a column that is declared INTEGER."""
    return Column(name, BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


_BY_CODE_POINT = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that is compared by code point in both databases; SQLite does so by default."""


def _text(name: str, **options: Any) -> Column[str]:
    return Column(name, Text, nullable=False, **options)


# Unique bytes. There is no reference count: "is there any file?" is asked under the blob's lock. The object of a
# damaged one is missing or holds other bytes; whoever uploads the same bytes again replaces it.
blobs = Table(
    "blobs",
    schema,
    _sequence(),
    _text("sha256", unique=True),
    Column("size", BigInteger, nullable=False),
    _text("object_name", unique=True),
    Column("damaged", Boolean, nullable=False, server_default=false()),
    CheckConstraint("length(sha256) = 64", name="sha256"),
    CheckConstraint("size >= 0", name="size"),
)

# One row: the object name of the blob that was hashed again last.
scrub = Table("scrub", schema, Column("position", Text, primary_key=True))

# What users see. The size is the blob's and never changes; it stands here too so that one index serves a page by size.
# The number is what SQLite's search index knows a file by; a hidden rowid would change with VACUUM.
files = Table(
    "files",
    schema,
    _sequence("number"),
    Column("id", Uuid, nullable=False, unique=True),
    Column("blob_id", ForeignKey(blobs.c.id), nullable=False),
    _text("filename"),
    _text("content_type"),
    _text("kind"),
    Column("size", BigInteger, nullable=False),
    Column("upload_date", Moment, nullable=False),
    Column("sort_key", _BY_CODE_POINT, nullable=False),
    _text("search_key"),
    # One per order, alone and behind the kind, which is what people filter by and then page through. The columns behind
    # the id are for the other filters: whoever walks an index and meets few matches reads no row for those that fail.
    Index(None, "upload_date", "id", "size", "search_key"),
    Index(None, "sort_key", "id", "size", "upload_date", "search_key"),
    Index(None, "size", "id", "upload_date", "search_key", "blob_id"),
    Index(None, "kind", "upload_date", "id", "size", "search_key"),
    Index(None, "kind", "sort_key", "id", "size", "upload_date", "search_key"),
    Index(None, "kind", "size", "id", "upload_date", "search_key"),
    # The other filters. Files of one blob have one size, and a page by size finds them in the index of that order.
    Index(None, "content_type", "upload_date", "id"),
    Index(None, "content_type", "sort_key", "id"),
    Index(None, "content_type", "size", "id"),
    Index(None, "blob_id", "upload_date", "id"),
    Index(None, "blob_id", "sort_key", "id"),
    # And the search: see `grams`.
)

# Where the blocks of an order begin: see `blocks`. Of the three keys one is set, that of the order.
fences = Table(
    "fences",
    schema,
    _sequence("number"),
    Column("sort_key", _BY_CODE_POINT),
    Column("size", BigInteger),
    Column("upload_date", Moment),
    Column("id", Uuid, nullable=False),
    Index(None, "sort_key", "id"),
    Index(None, "size", "id"),
    Index(None, "upload_date", "id"),
)

# What the names of the files in a block hold, of one to three letters: of each gram, the fences of its blocks as bits.
# By chunk first: a file adds to three chunks and a new block to one, all beside each other on few pages.
chunk_grams = Table(
    "chunk_grams",
    schema,
    # So many fences, by number, as an integer has bits: see `blocks`.
    Column("chunk", BigInteger, primary_key=True, autoincrement=False),
    Column("gram", _BY_CODE_POINT, primary_key=True),
    # Transactions that run side by side write rows of their own. Were it one row, they would wait for each other.
    Column("writer", SmallInteger, primary_key=True, autoincrement=False),
    Column("fences", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Intents: an object that is being written, until its lease runs out.
uploads = Table(
    "uploads",
    schema,
    Column("id", Uuid, primary_key=True),
    _text("object_name", unique=True),
    Column("lease_until", Moment, nullable=False, index=True),
)

# Objects to remove from the store once `not_before` has passed. A claim keeps other sweepers away while it lasts.
garbage = Table(
    "garbage",
    schema,
    Column("object_name", Text, primary_key=True),
    Column("not_before", Moment, nullable=False, index=True),
    Column("claimed_until", Moment),
)

# What changed, in the order (transaction, id). SQLite has one writer, so there the ids alone are in commit order. In
# PostgreSQL transactions are not committed in the order of their numbers: what may be read yet, `events_after` decides.
# AUTOINCREMENT, because an id that was pruned must never come back.
events = Table(
    "events",
    schema,
    _sequence(),
    Column("transaction", BigInteger, nullable=False, server_default=current_transaction()),
    _text("kind"),
    Column("file_id", Uuid, nullable=False),
    Column("snapshot", JSON, nullable=False),
    Column("created", Moment, nullable=False, index=True),
    Index(None, "transaction", "id"),
    sqlite_autoincrement=True,
)

# One row. The id tells this log from any other; events up to the horizon have been pruned.
event_log = Table(
    "event_log",
    schema,
    Column("id", Text, primary_key=True),
    Column("horizon_transaction", BigInteger, nullable=False),
    Column("horizon_id", BigInteger, nullable=False),
)

# What clients called their uploads. The file may be gone again, hence no foreign key.
idempotency_keys = Table(
    "idempotency_keys",
    schema,
    Column("key", Text, primary_key=True),
    _text("fingerprint"),
    Column("file_id", Uuid, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
)
