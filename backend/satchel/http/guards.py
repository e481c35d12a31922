"""What stands between the server and the routes: early answers, failures as documents, safe headers, request ids."""

import asyncio
import uuid

import orjson
import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from satchel.errors import Code, SatchelError
from satchel.http.body import ClientGone

JSON = "application/json"

# Of an answer that says nothing else: it is taken as the type that it has, runs and loads nothing, and no other site's
# page gets it, frames it or keeps a hold on the window that shows it.
SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}

log = structlog.get_logger(__name__)


class EarlyAnswers:
    """Lets an answer that is sent before the body was read reach its client.

    A server that closes a connection with unread bytes resets it, and the client may never see why. So the answer goes
    out with `Connection: close`, then a bounded rest of the body is read and dropped, and then the connection ends.
    https://www.rfc-editor.org/rfc/rfc9112#section-9.6
    """

    def __init__(self, app: ASGIApp, drain: int, seconds: float) -> None:
        self._app = app
        self._drain = drain
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, watching whether its body was read when the answer ends."""
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        unread, closing = True, False

        async def watched_receive() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and message["type"] == "http.request" and message.get("more_body", False)
            return message

        async def watched_send(message: Message) -> None:
            nonlocal closing
            if message["type"] == "http.response.start" and unread:
                closing = True
                MutableHeaders(raw=message["headers"])["connection"] = "close"
            if closing and message["type"] == "http.response.body" and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await self._read_rest(receive)
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        await self._app(scope, watched_receive, watched_send)

    async def _read_rest(self, receive: Receive) -> None:
        dropped = 0
        try:
            async with asyncio.timeout(self._seconds):
                while dropped < self._drain:
                    message = await receive()
                    dropped += len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return
        except TimeoutError:
            return


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


class SafeHeaders:
    """Gives every answer the headers that keep browsers safe, where it has none of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add them to the head of the answer."""

        async def with_headers(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                headers = MutableHeaders(raw=message["headers"])
                for name, value in SAFE_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


class RequestIds:
    """Gives each request an id, for the log and for what an unexpected failure tells its client."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Bind the id to all that is logged while the request runs, and log how it ended."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex[:16]
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            status = status or message.get("status", 0)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, watched)
            finally:
                log.debug("request", method=scope.get("method", "WEBSOCKET"), path=scope["path"], status=status)


class LastResort:
    """Logs what nobody expected, and answers it by the id of its request where there was no answer yet.

    Starlette would do that outside of all that stands here, so without the safe headers, and without the id in the log.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and raise nothing."""
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientGone:
            log.debug("client gone", path=scope["path"])
        except asyncio.CancelledError:  # by the end of the server, when its time for what runs is over
            log.warning("cut off", path=scope["path"])
            if not begun and scope["type"] == "http":
                ending = SatchelError(Code.SHUTTING_DOWN, "The server was stopped before the request was done.")
                await refusal(scope, ending, {"Connection": "close"})(scope, receive, send)
        except Exception as error:
            log.error("unexpected failure", path=scope["path"], exc_info=error)
            if not begun:  # else the server sees that the answer has no end, and closes
                await refusal(scope, internal(scope["state"]["request_id"]))(scope, receive, send)


def internal(request_id: str) -> SatchelError:
    """INTERNAL: the request id, and nothing else."""
    return SatchelError(Code.INTERNAL, f"Something failed unexpectedly; the log tells more under {request_id}.")


def problem(error: SatchelError, headers: dict[str, str] | None = None) -> Response:
    """A failure as an RFC 9457 problem document, with the safe headers: a connection refuses with it by itself too."""
    return Response(
        orjson.dumps(error.problem()),
        error.code.value.status,
        {**SAFE_HEADERS, **error.headers(), **(headers or {}), "Cache-Control": "no-store"},
        media_type="application/problem+json",
    )


def failed_operation(error: SatchelError, headers: dict[str, str] | None = None, kind: str = JSON) -> Response:
    """A failure as GraphQL clients expect it, of an operation that was not run at all."""
    return Response(
        orjson.dumps({"errors": [{"message": error.detail, "extensions": error.extensions}]}),
        error.code.value.status,
        {**error.headers(), **(headers or {}), "Cache-Control": "no-store"},
        media_type=f"{kind}; charset=utf-8",
    )


def refusal(scope: Scope, error: SatchelError, headers: dict[str, str] | None = None) -> Response:
    """A failure of a request that no route has answered, in the shape that is expected where it goes."""
    answer = failed_operation if scope["path"].rstrip("/") == "/graphql" else problem
    return answer(error, headers)


async def answer_failure(_: Request, error: Exception) -> Response:
    """FastAPI's handler of SatchelError."""
    if not isinstance(error, SatchelError):
        raise error
    return problem(error)
