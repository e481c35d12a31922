"""Files, uploads, garbage and events as rows: all SQL is behind `Metadata`."""

from .database import Metadata
from .records import (
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
