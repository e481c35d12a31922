"""Multipart requests: operations, then map, then the files, each streamed to the store as it comes.

https://github.com/jaydenseric/graphql-multipart-request-spec

The operation is checked when `map` is in, before the first byte of a file is read, and runs when all files are in: so
no order of parts can deadlock, and a body that turns out to be malformed has changed nothing.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any

from satchel.errors import Code, too_many_files
from satchel.files import FileService
from satchel.graphql.operation import Operation, read_json, read_operation
from satchel.graphql.scalars import UploadSlot
from satchel.http.multipart import MultipartReader, Part, bad_multipart
from satchel.intake import Intake


async def read_upload_request(
    reader: MultipartReader, intake: Intake, files: FileService, check: Callable[[Operation], object]
) -> Operation:
    """Read the whole request; the variables hold filled slots where the files go.

    Args:
        reader: the body.
        intake: where the files' bytes go.
        files: for its settings.
        check: called with the operation before the first file; what it raises ends the reading.

    Raises:
        SatchelError: BAD_MULTIPART, PAYLOAD_TOO_LARGE, and what storing a file raises.
    """
    settings = files.settings
    parts = aiter(reader)
    text = await _field(parts, "operations", int(settings.max_operations_size), "SATCHEL_MAX_OPERATIONS_SIZE")
    operation = read_operation(read_json(text, "The part 'operations'", Code.BAD_MULTIPART), Code.BAD_MULTIPART)
    text = await _field(parts, "map", int(settings.max_map_size), "SATCHEL_MAX_MAP_SIZE")
    slots = place_slots(operation, read_json(text, "The part 'map'", Code.BAD_MULTIPART))
    if operation.uploads.total() > settings.max_files_per_request:
        raise too_many_files(settings.max_files_per_request)
    check(operation)
    async for part in parts:
        slot = slots.get(part.name)
        if slot is None:
            raise bad_multipart(f"There is an extra part named {part.name!r}, which 'map' does not name.")
        if part.filename is None:
            raise bad_multipart(f"The part {part.name!r} has no filename, so it is not a file.")
        upload = await intake.start(part.filename, part.content_type)
        async for data in part:
            await upload.write(data)
        await upload.finish()
        slot.fill(upload)
    if missing := [key for key, slot in slots.items() if not slot.filled]:
        raise bad_multipart(f"The file part {missing[0]!r} is missing.")
    return operation


async def _field(parts: AsyncIterator[Part], name: str, limit: int, setting: str) -> str:
    try:
        part = await anext(parts)
    except StopAsyncIteration:
        raise bad_multipart(f"The part {name!r} is missing.") from None
    if part.name != name:
        raise bad_multipart(f"The part {part.name!r} comes where {name!r} belongs: first 'operations', then 'map'.")
    return await part.text(limit, setting)


def place_slots(operation: Operation, file_map: object) -> dict[str, UploadSlot]:
    """Put an `UploadSlot` at each place of the variables that `map` names, and count these.

    Returns:
        The slots by the names of their parts.

    Raises:
        SatchelError: BAD_MULTIPART for a map of another shape, a path that does not fit, or a place named twice.
    """
    if not isinstance(file_map, dict):
        raise bad_multipart("The part 'map' must be an object of arrays of paths.")
    slots = {}
    for key, paths in file_map.items():
        if not isinstance(paths, list) or not paths or not all(isinstance(path, str) for path in paths):
            raise bad_multipart(f"The entry {key!r} of 'map' must be an array of paths.")
        slots[key] = UploadSlot(key)
        for path in paths:
            operation.uploads[_place(operation.variables, path, slots[key])] += 1
    return slots


def _place(variables: dict[str, Any], path: str, slot: UploadSlot) -> str:
    """Put the slot there; gives the name of the variable."""
    first, *steps = path.split(".")
    place: Any = variables
    if first != "variables" or not steps:
        raise bad_multipart(f"The path {path[:100]!r} does not begin with 'variables.'.")
    for step in steps[:-1]:
        place = _at(place, step, path)
    if _at(place, steps[-1], path) is not None:
        raise bad_multipart(f"The place {path[:100]!r} must be null, and named once.")
    place[_index(steps[-1]) if isinstance(place, list) else steps[-1]] = slot
    return steps[0]


def _at(place: Any, step: str, path: str) -> Any:
    try:
        return place[_index(step)] if isinstance(place, list) else place[step]
    except (KeyError, IndexError, TypeError, ValueError):
        raise bad_multipart(f"The path {path[:100]!r} does not fit the variables.") from None


def _index(step: str) -> int:
    if not (step.isascii() and step.isdigit() and len(step) < 10):
        raise ValueError(step)
    return int(step)
