"""Files, uploads, garbage and events as rows: all SQL is behind `Metadata`."""

from .database import Metadata
from .records import (
    BlobRecord,
    Event,
    EventKind,
    FileFilter,
    FileKind,
    FileOrder,
    FilePage,
    FileRecord,
    IdempotencyKey,
    Position,
    Publication,
    Published,
    StorageUsage,
)

__all__ = [
    "BlobRecord",
    "Event",
    "EventKind",
    "FileFilter",
    "FileKind",
    "FileOrder",
    "FilePage",
    "FileRecord",
    "IdempotencyKey",
    "Metadata",
    "Position",
    "Publication",
    "Published",
    "StorageUsage",
]
