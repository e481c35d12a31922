"""The values that pass through the metadata port: what a file, a page, a publication and an event are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NamedTuple
from uuid import UUID


class FileKind(Enum):
    """What a file is to a person."""

    IMAGE = "IMAGE"
    VIDEO = "VIDEO"
    AUDIO = "AUDIO"
    PDF = "PDF"
    TEXT = "TEXT"
    ARCHIVE = "ARCHIVE"
    OTHER = "OTHER"


class FileOrder(Enum):
    """The orders in which files are listed; ties are broken by id in the same direction."""

    UPLOAD_DATE_DESC = "UPLOAD_DATE_DESC"
    UPLOAD_DATE_ASC = "UPLOAD_DATE_ASC"
    FILENAME_ASC = "FILENAME_ASC"
    FILENAME_DESC = "FILENAME_DESC"
    SIZE_DESC = "SIZE_DESC"
    SIZE_ASC = "SIZE_ASC"


class EventKind(Enum):
    """What happened to a file."""

    UPLOADED = "UPLOADED"
    RENAMED = "RENAMED"
    DELETED = "DELETED"


@dataclass(frozen=True)
class FileRecord:
    """A file as users see it. `size` in bytes, `sha256` in lower-case hex, `upload_date` in UTC."""

    id: UUID
    filename: str
    content_type: str
    kind: FileKind
    size: int
    sha256: str
    object_name: str
    upload_date: datetime


@dataclass(frozen=True)
class FileFilter:
    """All members that are set must hold. Sizes are inclusive bounds; dates are half-open: after <= date < before.

    `search` is found as a substring of the filename in any script, without regard to case.
    """

    search: str | None = None
    kind: FileKind | None = None
    content_type: str | None = None
    sha256: str | None = None
    min_size: int | None = None
    max_size: int | None = None
    uploaded_after: datetime | None = None
    uploaded_before: datetime | None = None


@dataclass(frozen=True)
class FilePage:
    """One page of a listing: the records, each with the cursor of its place, and whether more follow."""

    records: Sequence[FileRecord]
    cursors: Sequence[str]
    has_next: bool


@dataclass(frozen=True)
class StorageUsage:
    """`logical_bytes` counts every file, `stored_bytes` every blob once."""

    files: int
    blobs: int
    logical_bytes: int
    stored_bytes: int


@dataclass(frozen=True)
class Publication:
    """What a publishing transaction needs to turn a finished upload into a file.

    `upload_id` is None where the bytes were published before, by another file of the same request.
    `idempotency_key` is a client's name for this upload.
    """

    upload_id: UUID | None
    object_name: str
    sha256: str
    size: int
    filename: str
    content_type: str
    kind: FileKind
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Published:
    """The outcome: the file, and whether its bytes were there already."""

    record: FileRecord
    deduplicated: bool


class BlobRecord(NamedTuple):
    """What should be in the store: an object, its size in bytes and its hash.

    `used` tells whether a file is on it, and `damaged` whether it is known not to be there, or to hold other bytes.
    """

    object_name: str
    size: int
    sha256: str
    used: bool
    damaged: bool


class IdempotencyKey(NamedTuple):
    """What a client called an upload: a fingerprint of its filename and bytes, and the file that came of it."""

    key: str
    fingerprint: str
    file_id: UUID
    expires_at: datetime


class Position(NamedTuple):
    """A place in the event order; compares in commit order. `transaction` is 0 where ids are taken at commit."""

    transaction: int
    id: int


@dataclass(frozen=True)
class Event:
    """One committed change, with the file as it was then (for DELETED: as it was last)."""

    position: Position
    kind: EventKind
    record: FileRecord
