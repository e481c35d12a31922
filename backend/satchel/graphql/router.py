"""The GraphQL door: POST of JSON or multipart, GET of queries, the playground, and the WebSocket.

Follows https://graphql.github.io/graphql-over-http/draft/ on media types and status codes.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response, WebSocket
from graphql import GraphQLError, OperationType

from satchel.errors import Code, SatchelError
from satchel.files import check_declared
from satchel.graphql import websocket
from satchel.graphql.limits import OperationLimits
from satchel.graphql.operation import InvalidOperation, Operation, arguments, check, read_json, read_operation
from satchel.graphql.schema import core_schema, schema
from satchel.graphql.types import Context
from satchel.graphql.uploads import read_upload_request
from satchel.http import body
from satchel.http.accept import accepted
from satchel.http.docs import playground_page
from satchel.http.guards import JSON, failed_operation
from satchel.http.multipart import MultipartReader, refuse_by_length

GRAPHQL_JSON = "application/graphql-response+json"

router = APIRouter(include_in_schema=False)


@router.post("/graphql")
async def post(request: Request) -> Response:
    """Run an operation, with or without files."""
    return await _respond(request, _run_post)


@router.api_route("/graphql", methods=["GET", "HEAD"])
async def get(request: Request) -> Response:
    """Run a query, or show the playground to a browser."""
    if "query" not in request.query_params and _wants_page(request):
        if not request.app.state.files.settings.playground:
            raise SatchelError(Code.NOT_FOUND, "The playground is switched off (SATCHEL_PLAYGROUND).")
        return playground_page()
    return await _respond(request, _run_get)


@router.websocket("/graphql")
async def subscribe(socket: WebSocket) -> None:
    """Run operations over graphql-transport-ws."""
    state = socket.app.state
    settings, open_from = state.files.settings, state.websockets
    address = socket.client.host if socket.client else ""
    if open_from[address] >= settings.max_websockets:
        detail = f"An address opens {settings.max_websockets} WebSockets at once (SATCHEL_MAX_WEBSOCKETS)."
        await socket.send_denial_response(failed_operation(SatchelError(Code.TOO_MANY_CONNECTIONS, detail)))
        return
    open_from[address] += 1
    try:
        await websocket.serve(socket, Context(state.files, state.events, socket.state.request_id), settings)
    finally:
        open_from[address] -= 1
        if not open_from[address]:
            del open_from[address]


async def _respond(request: Request, run: Callable[[Request, str], Awaitable[Response]]) -> Response:
    media_type = JSON
    try:
        media_type = _negotiate(request)
        return await run(request, media_type)
    except SatchelError as error:
        # Not run at all: the table's status, in any media type.
        return failed_operation(error, kind=media_type)


async def _run_post(request: Request, media_type: str) -> Response:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _run_with_files(request, media_type)
    if kind != JSON:
        raise SatchelError(Code.UNSUPPORTED_MEDIA_TYPE, f"The body must be {JSON} or multipart/form-data.")
    limit = int(request.app.state.files.settings.max_json_size)
    text = await body.read(request.receive, limit, "SATCHEL_MAX_JSON_SIZE")
    operation = read_operation(read_json(text, "The body"))
    return await _run(request, operation, media_type, {OperationType.QUERY, OperationType.MUTATION})


async def _run_get(request: Request, media_type: str) -> Response:
    query = request.query_params
    parameters: dict[str, Any] = {name: query[name] for name in ("query", "operationName") if name in query}
    for name in ("variables", "extensions"):
        if query.get(name):
            parameters[name] = read_json(query[name], f"The parameter {name!r}")
    return await _run(request, read_operation(parameters), media_type, {OperationType.QUERY})


async def _run(request: Request, operation: Operation, media_type: str, allowed: set[OperationType]) -> Response:
    try:
        chosen = check(core_schema, operation, _limits(request))
    except InvalidOperation as invalid:
        # In the older media type only a request that is not well formed has another status than 200.
        return _invalid(invalid, media_type, 400 if media_type == GRAPHQL_JSON else 200)
    if chosen not in allowed:
        return _not_allowed(chosen, media_type)
    return await _execute(request, operation, media_type)


def _limits(request: Request) -> OperationLimits:
    return OperationLimits.of(request.app.state.files.settings)


async def _run_with_files(request: Request, media_type: str) -> Response:
    files = request.app.state.files

    def admit(operation: Operation) -> None:
        limits = _limits(request)
        if check(core_schema, operation, limits) is OperationType.SUBSCRIPTION:
            raise InvalidOperation([GraphQLError("A subscription is run over a WebSocket.")])
        for given in arguments(core_schema, operation, "uploadFile", limits):
            check_declared(given.get("hash"), given.get("idempotencyKey"))

    most = files.settings.max_files_per_request
    reader = MultipartReader(request.headers.get("content-type", ""), body.stream(request.receive), most)
    refuse_by_length(request.headers.get("content-length"), most, files.settings)
    async with files.intake() as intake:
        try:
            operation = await read_upload_request(reader, intake, files, admit)
        except InvalidOperation as invalid:
            return _invalid(invalid, media_type, 400)  # refused with its body unread: not a result, in any media type
        return await _execute(request, operation, media_type)


async def _execute(request: Request, operation: Operation, media_type: str) -> Response:
    state = request.app.state
    result = await schema.execute(
        operation.query,
        variable_values=operation.variables,
        operation_name=operation.name,
        context_value=Context(state.files, state.events, request.state.request_id),
    )
    answer: dict[str, Any] = {"data": result.data}
    if result.errors:
        answer["errors"] = [error.formatted for error in result.errors]
    return _answer(answer, media_type)


def _answer(
    content: Mapping[str, Any], media_type: str, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return Response(
        orjson.dumps(content),
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        media_type=f"{media_type}; charset=utf-8",
    )


def _invalid(invalid: InvalidOperation, media_type: str, status: int) -> Response:
    return _answer({"errors": invalid.formatted}, media_type, status)


def _not_allowed(chosen: OperationType, media_type: str) -> Response:
    if chosen is OperationType.SUBSCRIPTION:
        detail = "A subscription is run over a WebSocket (graphql-transport-ws)."
        return _invalid(InvalidOperation([GraphQLError(detail)]), media_type, 400)
    detail = "A mutation cannot be run by GET; use POST."
    content = {"errors": [{"message": detail, "extensions": {"code": Code.METHOD_NOT_ALLOWED.name}}]}
    return _answer(content, media_type, 405, {"Allow": "POST"})


def _negotiate(request: Request) -> str:
    """The media type of the answer; the older one where the client does not care. Raises NOT_ACCEPTABLE.

    The most precise range decides on a type, whatever its place (RFC 9110, 12.5.1); of two types that are accepted
    alike, the one that is named first is given.
    """
    taken = accepted(request.headers) or [("*/*", 1.0)]
    ranked = []
    for offered in (JSON, GRAPHQL_JSON):
        ranges = ("*/*", "application/*", offered)
        matches = [(ranges.index(name), -at, quality) for at, (name, quality) in enumerate(taken) if name in ranges]
        precision, place, quality = max(matches, default=(0, 0, 0.0))
        if quality > 0:
            ranked.append((quality, precision, place, offered))
    if not ranked:
        raise SatchelError(Code.NOT_ACCEPTABLE, f"This endpoint answers with {GRAPHQL_JSON} or {JSON}.")
    return max(ranked, key=lambda rank: rank[:3])[-1]


def _wants_page(request: Request) -> bool:
    taken = {media_type for media_type, quality in accepted(request.headers) if quality > 0}
    return "text/html" in taken and not taken & {JSON, GRAPHQL_JSON}
