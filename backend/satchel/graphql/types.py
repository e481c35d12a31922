"""The types of the contract, made from the domain's records."""

from datetime import datetime
from enum import Enum

import strawberry
from strawberry.dataloader import DataLoader
from strawberry.types import Info

from satchel.events import EventLog
from satchel.files import FileService
from satchel.graphql.scalars import BigInt
from satchel.http import content
from satchel.metadata import Event, FileFilter, FileKind, FileOrder, FilePage, FileRecord, Position, Published
from satchel.metadata import StorageUsage as Usage

strawberry.enum(FileKind, description="What a file is to a person.")
strawberry.enum(FileOrder, description="The order of a listing.")


class Context:
    """What resolvers are given: the domain, the event log, and a loader that counts copies for many files at once."""

    def __init__(self, files: FileService, events: EventLog, request_id: str) -> None:
        self.files = files
        self.events = events
        self.request_id = request_id
        # Not cached: one subscription's context lives for hours.
        self.copies: DataLoader[str, int] = DataLoader(self._count_copies, cache=False)

    async def _count_copies(self, hashes: list[str]) -> list[int]:
        counts = await self.files.copies(hashes)
        return [counts.get(one, 0) for one in hashes]


@strawberry.enum(
    description="What an event tells: READY comes first, with the cursor that the subscription starts from."
)
class FileEventKind(Enum):
    """The kinds of `metadata.EventKind`, and READY."""

    READY = "READY"
    UPLOADED = "UPLOADED"
    RENAMED = "RENAMED"
    DELETED = "DELETED"


@strawberry.type(description="A file.")
class File:
    """A record as GraphQL shows it."""

    id: strawberry.ID
    filename: str
    size: BigInt
    content_type: str = strawberry.field(
        description="Told from the bytes, not from what the client said; a PDF that may run a script has `scripts=yes`."
    )
    kind: FileKind
    hash: str = strawberry.field(description="The SHA-256 of the bytes, in lower-case hex.")
    upload_date: datetime
    object_name: str
    preview_url: str | None = strawberry.field(
        description="Shows the file in the browser; null where no safe preview exists."
    )
    download_url: str

    @strawberry.field(description="How many files share these bytes, this one included.")
    async def copies(self, info: Info[Context, None]) -> int:
        """Counted for all files of a page at once."""
        return await info.context.copies.load(self.hash)

    @classmethod
    def of(cls, record: FileRecord) -> "File":
        """The record, converted."""
        return cls(
            id=strawberry.ID(str(record.id)),
            filename=record.filename,
            size=BigInt(record.size),
            content_type=record.content_type,
            kind=record.kind,
            hash=record.sha256,
            upload_date=record.upload_date,
            object_name=record.object_name,
            preview_url=content.preview_url(record),
            download_url=content.download_url(record),
        )


@strawberry.type(description="A file at its place in a listing.")
class FileEdge:
    """One row of a page."""

    cursor: str
    node: File


@strawberry.type
class PageInfo:
    """Where a page lies, as in the Relay specification."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type
class KindCount:
    """How many files are of a kind."""

    kind: FileKind
    count: int


@strawberry.type
class FileConnection:
    """One page of a listing."""

    edges: list[FileEdge]
    page_info: PageInfo
    where: strawberry.Private[FileFilter]
    head: strawberry.Private[Position]

    @strawberry.field
    def nodes(self) -> list[File]:
        """The files without their cursors."""
        return [edge.node for edge in self.edges]

    @strawberry.field(description="How many files match, on all pages; counted only when asked for.")
    async def total_count(self, info: Info[Context, None]) -> int:
        """A query of its own."""
        return await info.context.files.count(self.where)

    @strawberry.field(
        description="How many files of each kind match, whatever kind the filter asks for; counted only when asked for."
    )
    async def kinds(self, info: Info[Context, None]) -> list[KindCount]:
        """One query for all kinds."""
        counts = await info.context.files.count_kinds(self.where)
        return [KindCount(kind=kind, count=number) for kind, number in counts.items()]

    @strawberry.field(
        description="Read before the list: `fileEvents(after: eventCursor)` goes on from here without a gap."
    )
    def event_cursor(self, info: Info[Context, None]) -> str:
        """The event log's end, as it was just before the page was read."""
        return info.context.events.cursor(self.head)

    @classmethod
    def of(cls, page: FilePage, where: FileFilter, head: Position, *, from_start: bool) -> "FileConnection":
        """The page, converted."""
        edges = [
            FileEdge(cursor=cursor, node=File.of(record))
            for record, cursor in zip(page.records, page.cursors, strict=True)
        ]
        return cls(
            edges=edges,
            page_info=PageInfo(
                has_next_page=page.has_next,
                has_previous_page=not from_start,
                start_cursor=edges[0].cursor if edges else None,
                end_cursor=edges[-1].cursor if edges else None,
            ),
            where=where,
            head=head,
        )


@strawberry.input(name="FileFilter", description="All that is given must hold.")
class FileFilterInput:
    """The filter as clients write it."""

    search: str | None = strawberry.field(default=None, description="A part of the name, in any script and case.")
    kind: FileKind | None = None
    content_type: str | None = None
    hash: str | None = None
    min_size: BigInt | None = strawberry.field(default=None, description="Bytes, inclusive.")
    max_size: BigInt | None = strawberry.field(default=None, description="Bytes, inclusive.")
    uploaded_after: datetime | None = strawberry.field(default=None, description="Inclusive.")
    uploaded_before: datetime | None = strawberry.field(default=None, description="Exclusive.")

    def parsed(self) -> FileFilter:
        """The filter as the domain takes it."""
        return FileFilter(
            search=self.search or None,
            kind=self.kind,
            content_type=self.content_type,
            sha256=self.hash.lower() if self.hash is not None else None,
            min_size=self.min_size,
            max_size=self.max_size,
            uploaded_after=self.uploaded_after,
            uploaded_before=self.uploaded_before,
        )


@strawberry.type(description="What is stored. Identical bytes are stored once.")
class StorageUsage:
    """Totals over all files."""

    files: int
    blobs: int
    logical_bytes: BigInt = strawberry.field(description="The sizes of all files together.")
    stored_bytes: BigInt = strawberry.field(description="What the store holds for them.")

    @classmethod
    def of(cls, usage: Usage) -> "StorageUsage":
        """The totals, converted."""
        return cls(
            files=usage.files,
            blobs=usage.blobs,
            logical_bytes=BigInt(usage.logical_bytes),
            stored_bytes=BigInt(usage.stored_bytes),
        )


@strawberry.type
class UploadFilePayload:
    """What came of an upload."""

    file: File
    deduplicated: bool = strawberry.field(description="Whether the bytes were stored already, under any name.")

    @classmethod
    def of(cls, published: Published) -> "UploadFilePayload":
        """The outcome, converted."""
        return cls(file=File.of(published.record), deduplicated=published.deduplicated)


@strawberry.type
class DeleteFilePayload:
    """What was deleted."""

    id: strawberry.ID


@strawberry.type
class DeleteFilesPayload:
    """What was deleted, and what was not there."""

    ids: list[strawberry.ID]
    missing: list[strawberry.ID]


@strawberry.type(description="One committed change.")
class FileEvent:
    """An event; READY carries no file."""

    cursor: str = strawberry.field(description="Resume after this event with `fileEvents(after: cursor)`.")
    kind: FileEventKind
    file_id: strawberry.ID | None
    file: File | None = strawberry.field(description="The file after the change; for DELETED, as it was last.")

    @classmethod
    def ready(cls, cursor: str) -> "FileEvent":
        """The first message of a subscription."""
        return cls(cursor=cursor, kind=FileEventKind.READY, file_id=None, file=None)

    @classmethod
    def of(cls, event: Event, cursor: str) -> "FileEvent":
        """The event, converted."""
        return cls(
            cursor=cursor,
            kind=FileEventKind[event.kind.name],
            file_id=strawberry.ID(str(event.record.id)),
            file=File.of(event.record),
        )
