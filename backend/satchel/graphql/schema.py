"""The GraphQL schema. Each resolver makes three moves: parse, call the domain, convert."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from functools import lru_cache
from typing import Annotated

import strawberry
import structlog
from graphql import GraphQLError, GraphQLSchema
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.types import Info
from strawberry.types.execution import ExecutionContext

from satchel.errors import Code, SatchelError
from satchel.graphql.executor import SharingExecutor
from satchel.graphql.limits import OperationLimits
from satchel.graphql.operation import document
from satchel.graphql.scalars import SCALARS, UploadSlot
from satchel.graphql.types import (
    Context,
    DeleteFilePayload,
    DeleteFilesPayload,
    File,
    FileConnection,
    FileEvent,
    FileFilterInput,
    StorageUsage,
    UploadFilePayload,
)
from satchel.http.guards import internal
from satchel.metadata import EventKind, FileOrder

log = structlog.get_logger(__name__)

Session = Info[Context, None]

told = lru_cache(maxsize=256)(FileEvent.of)
"""One object for all who are told of an event, so that what they ask of it is found out once."""


@strawberry.type
class Query:
    """What can be asked."""

    @strawberry.field(description="One file; null where there is none with this id.")
    async def file(self, info: Session, id: strawberry.ID) -> File | None:
        """A missing file is an answer here and no failure."""
        try:
            return File.of(await info.context.files.get(id))
        except SatchelError as error:
            if error.code is Code.NOT_FOUND:
                return None
            raise

    @strawberry.field(description="A page of files.")
    async def files(
        self,
        info: Session,
        first: int = 50,
        after: str | None = None,
        filter: FileFilterInput | None = None,
        order_by: FileOrder = FileOrder.UPLOAD_DATE_DESC,
    ) -> FileConnection:
        """The event log's end is read before the list: what is committed in between is told twice, not never."""
        where = (filter or FileFilterInput()).parsed()
        head = await info.context.events.head()
        page = await info.context.files.find(first=first, after=after, where=where, order=order_by)
        return FileConnection.of(page, where, head, from_start=after is None)

    @strawberry.field(description="What is stored in all.")
    async def storage(self, info: Session) -> StorageUsage:
        """The totals."""
        return StorageUsage.of(await info.context.files.usage())

    @strawberry.field(description="Whether files can only be read: every mutation is refused then.")
    async def read_only(self, info: Session) -> bool:
        """As it was set (SATCHEL_READ_ONLY)."""
        return info.context.files.settings.read_only


@strawberry.type
class Mutation:
    """What can be done."""

    @strawberry.mutation(description="Store a file; the answer comes when it is durable.")
    async def upload_file(
        self,
        info: Session,
        file: UploadSlot,
        hash: Annotated[
            str | None, strawberry.argument(description="The SHA-256 that the bytes must have, in hex.")
        ] = None,
        idempotency_key: Annotated[
            str | None,
            strawberry.argument(
                description="Your name for this upload: sent again with the same content, it gives the same file."
            ),
        ] = None,
    ) -> UploadFilePayload:
        """The bytes are in; publish them."""
        published = await info.context.files.publish(file.upload, sha256=hash, idempotency_key=idempotency_key)
        return UploadFilePayload.of(published)

    @strawberry.mutation(description="Store several files: all of them, or none.")
    async def upload_files(self, info: Session, files: list[UploadSlot]) -> list[UploadFilePayload]:
        """One transaction for all."""
        published = await info.context.files.publish_all([slot.upload for slot in files])
        return [UploadFilePayload.of(one) for one in published]

    @strawberry.mutation(description="Give a file another name.")
    async def rename_file(self, info: Session, id: strawberry.ID, filename: str) -> File:
        """The bytes and links stay."""
        return File.of(await info.context.files.rename(id, filename))

    @strawberry.mutation(description="Delete a file; other files with the same bytes keep them.")
    async def delete_file(self, info: Session, id: strawberry.ID) -> DeleteFilePayload:
        """Raises NOT_FOUND."""
        record = await info.context.files.delete(id)
        return DeleteFilePayload(id=strawberry.ID(str(record.id)))

    @strawberry.mutation(description="Delete many files at once; those that are not there are named and no failure.")
    async def delete_files(self, info: Session, ids: list[strawberry.ID]) -> DeleteFilesPayload:
        """One transaction for all; `limits` has counted them."""
        deleted, missing = await info.context.files.delete_all(ids)
        return DeleteFilesPayload(
            ids=[strawberry.ID(str(record.id)) for record in deleted], missing=[strawberry.ID(id) for id in missing]
        )


@strawberry.type
class Subscription:
    """What can be followed."""

    @strawberry.subscription(description="Each new upload, from now on.")
    async def file_uploaded(self, info: Session) -> AsyncGenerator[File, None]:
        """Filtered from the same log as `file_events`."""
        events = info.context.events
        async with aclosing(events.follow(await events.head())) as following:
            async for event in following:
                if event.kind is EventKind.UPLOADED and (file := told(event, events.cursor(event.position)).file):
                    yield file

    @strawberry.subscription(
        description="Every change in commit order, none lost: resume with the cursor of the last event that was seen."
    )
    async def file_events(self, info: Session, after: str | None = None) -> AsyncGenerator[FileEvent, None]:
        """READY first, with the cursor that the subscription starts from."""
        events = info.context.events
        position = await events.resume(after)
        yield FileEvent.ready(events.cursor(position))
        async with aclosing(events.follow(position)) as following:
            async for event in following:
                yield told(event, events.cursor(event.position))


class Checked(SchemaExtension):
    """What is run was checked at its door: it is neither parsed nor validated for a second time."""

    def on_operation(self) -> Iterator[None]:
        """Take the document, and leave nothing to validate."""
        running = self.execution_context
        running.graphql_document = document(running.query or "", OperationLimits.of(running.context.files.settings))
        running.validation_rules = ()
        yield


class Schema(strawberry.Schema):
    """Tells clients what the error table knows, and of anything else only a request id."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Called by Strawberry with the errors of each result before it is sent."""
        for error in errors:
            cause = error.original_error
            if isinstance(cause, SatchelError):
                continue  # its extensions, with the code, were taken over by graphql-core
            if cause is None or isinstance(cause, GraphQLError):
                error.extensions = {**(error.extensions or {}), "code": Code.BAD_REQUEST.name}
                continue
            context = execution_context.context if execution_context is not None else None
            masked = internal(context.request_id if isinstance(context, Context) else "-")
            log.error("unexpected failure", path=error.path, exc_info=cause)
            error.message, error.extensions = masked.detail, masked.extensions


schema = Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    config=StrawberryConfig(scalar_map=SCALARS),
    execution_context_class=SharingExecutor,
    extensions=[Checked],
)
core_schema: GraphQLSchema = schema._schema  # noqa: SLF001 - Strawberry offers no other way to it
