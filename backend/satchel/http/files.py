"""The REST routes for metadata, uploads and deletion; bytes are served by `content`."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from satchel.files import FileService, check_declared
from satchel.http import body
from satchel.http.content import download_url, preview_url
from satchel.http.contract import failures
from satchel.http.multipart import MultipartReader, bad_multipart, refuse_by_length
from satchel.intake import Intake, Upload
from satchel.metadata import FileFilter, FileKind, FileOrder, FileRecord

router = APIRouter(tags=["files"])


class FileMetadata(BaseModel):
    """All that is known of a file."""

    id: UUID
    filename: str
    size: int
    content_type: str
    hash: str
    upload_date: datetime
    minio_object_name: str
    kind: FileKind
    preview_url: str | None
    download_url: str

    @classmethod
    def of(cls, record: FileRecord) -> "FileMetadata":
        """The record as this API shows it."""
        return cls(
            id=record.id,
            filename=record.filename,
            size=record.size,
            content_type=record.content_type,
            hash=record.sha256,
            upload_date=record.upload_date,
            minio_object_name=record.object_name,
            kind=record.kind,
            preview_url=preview_url(record),
            download_url=download_url(record),
        )


class Deleted(BaseModel):
    """What was deleted."""

    message: str
    id: UUID


_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "The file."},
                        "hash": {
                            "type": "string",
                            "pattern": "^([0-9A-Fa-f]{64})?$",
                            "example": "",
                            "description": "The SHA-256 that the bytes must have, before or after the file.",
                        },
                    },
                }
            }
        },
    },
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            "description": "Sent again with the same content, it answers with the file of the first time.",
        }
    ],
}


@router.post(
    "/files/upload",
    openapi_extra=_UPLOAD_BODY,
    responses=failures(
        {
            400: "The body or the name cannot be read.",
            403: "Another site's page asks, and may not, or files can only be read here.",
            409: "The idempotency key was used for other content, or the upload was reclaimed.",
            413: "The file is too large.",
            415: "The body is not multipart/form-data.",
            422: "The bytes do not have the declared hash.",
            503: "Database or store do not answer.",
            507: "There is no room left.",
        }
    ),
)
async def upload_file(request: Request) -> FileMetadata:
    """Store a file as it streams in; the answer comes when it is durable."""
    files: FileService = request.app.state.files
    most = files.settings.max_files_per_request
    reader = MultipartReader(request.headers.get("content-type", ""), body.stream(request.receive), most)
    refuse_by_length(request.headers.get("content-length"), 1, files.settings)
    key = request.headers.get("idempotency-key")
    check_declared(None, key)
    async with files.intake() as intake:
        upload, declared_hash = await _read_form(reader, intake, files)
        published = await files.publish(upload, sha256=declared_hash, idempotency_key=key)
    return FileMetadata.of(published.record)


async def _read_form(reader: MultipartReader, intake: Intake, files: FileService) -> tuple[Upload, str | None]:
    upload, declared_hash = None, None
    async for part in reader:
        if part.name == "file" and part.filename is not None:
            upload = await intake.start(part.filename, part.content_type)
            async for data in part:
                await upload.write(data)
            await upload.finish()
        elif part.name == "hash":
            # A form sends a field that was left empty too; that declares nothing.
            declared_hash = await part.text(int(files.settings.max_map_size), "SATCHEL_MAX_MAP_SIZE") or None
            check_declared(declared_hash, None)
        elif part.name == "file":
            raise bad_multipart("The part 'file' has no filename, so it is not a file.")
        else:
            raise bad_multipart(f"There is an extra part named {part.name!r}; send 'file', and 'hash' if you like.")
    if upload is None:
        raise bad_multipart("The part 'file' is missing.")
    return upload, declared_hash


@router.get(
    "/files",
    responses={
        200: {"headers": {"Link": {"description": 'The next page, `rel="next"`.', "schema": {"type": "string"}}}},
        **failures({400: "The cursor or a parameter cannot be read.", 503: "The database does not answer."}),
    },
)
async def list_files(
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, description="How many files at most.")] = 50,
    after: Annotated[str | None, Query(description="Where to go on, from the Link header of the page before.")] = None,
    search: Annotated[str | None, Query(description="A part of the name, in any case.")] = None,
    content_type: Annotated[str | None, Query(description="A media type.")] = None,
    kind: Annotated[FileKind | None, Query(description="What the file is to a person.")] = None,
) -> list[FileMetadata]:
    """List files, newest first."""
    files: FileService = request.app.state.files
    where = FileFilter(search=search, content_type=content_type, kind=kind)
    page = await files.find(first=limit, after=after, where=where, order=FileOrder.UPLOAD_DATE_DESC)
    if page.has_next:
        following = request.url.include_query_params(after=page.cursors[-1])
        # A relative reference: which host and scheme lead here is known to the client, not always to the server.
        response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return [FileMetadata.of(record) for record in page.records]


@router.get(
    "/files/{file_id}/metadata",
    responses=failures({404: "There is no such file.", 503: "The database does not answer."}),
)
async def file_metadata(request: Request, file_id: str) -> FileMetadata:
    """All that is known of a file."""
    files: FileService = request.app.state.files
    return FileMetadata.of(await files.get(file_id))


@router.delete(
    "/files/{file_id}",
    responses=failures(
        {
            403: "Another site's page asks, and may not, or files can only be read here.",
            404: "There is no such file.",
            503: "The database does not answer.",
        }
    ),
)
async def delete_file(request: Request, file_id: str) -> Deleted:
    """Delete a file; other files with the same bytes keep them."""
    files: FileService = request.app.state.files
    record = await files.delete(file_id)
    return Deleted(message="File deleted", id=record.id)
