"""Subscriptions: the graphql-transport-ws protocol, by Strawberry's handler on a socket that trusts no peer.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any, cast

import orjson
import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.http.async_base_view import AsyncBaseHTTPView, AsyncWebSocketAdapter
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from strawberry.subscriptions.protocols.graphql_transport_ws.types import SubscribeMessage, SubscribeMessagePayload
from strawberry.types.unset import UNSET

from satchel.config import Settings
from satchel.errors import Code, SatchelError
from satchel.graphql.limits import OperationLimits
from satchel.graphql.operation import InvalidOperation, Operation, check
from satchel.graphql.schema import core_schema, schema
from satchel.graphql.types import Context

INVALID_MESSAGE = 4400
NOT_ACCEPTABLE = 4406
TRY_AGAIN_LATER = 1013  # https://www.iana.org/assignments/websocket/websocket.xml; clients retry it
MAX_REASON = 123  # https://www.rfc-editor.org/rfc/rfc6455#section-5.5

log = structlog.get_logger(__name__)


async def serve(socket: WebSocket, context: Context, settings: Settings) -> None:
    """Serve one connection until it ends."""
    if GRAPHQL_TRANSPORT_WS_PROTOCOL not in socket.scope["subprotocols"]:
        await socket.accept()
        await socket.close(NOT_ACCEPTABLE, "Subprotocol not acceptable")
        return
    await socket.accept(subprotocol=GRAPHQL_TRANSPORT_WS_PROTOCOL)
    adapter = _Adapter(socket, settings.websocket_send_timeout.total_seconds())
    handler = _Handler(
        view=cast("AsyncBaseHTTPView[Any, Any, Any, Any, Any, Any, Any]", _View()),
        websocket=adapter,
        context=context,
        root_value=None,
        schema=schema,
        connection_init_wait_timeout=settings.websocket_init_timeout,
        max_subscriptions_per_connection=settings.max_subscriptions,
    )
    handler.limits = OperationLimits.of(settings)
    await adapter.run(handler)


class _View:
    """The one thing that the handler asks of Strawberry's views."""

    async def on_ws_connect(self, _: Context) -> object:
        """Accept everybody, with no payload."""
        return UNSET


class _Handler(BaseGraphQLTransportWSHandler[Context, None]):
    """Strawberry's state machine, which refuses what the other doors refuse; silent about peers that went away."""

    limits: OperationLimits

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Start an operation that can run, where there is room for it."""
        fresh = self.connection_acknowledged and message["id"] not in self.operations
        if fresh and (errors := self._refusal(message["payload"])):
            await self.send_message({"id": message["id"], "type": "error", "payload": errors})
        else:
            await super().handle_subscribe(message)

    def _refusal(self, payload: SubscribeMessagePayload) -> list[Any]:
        most = self.max_subscriptions_per_connection
        if most is not None and len(self.operations) >= most:
            detail = f"A connection runs {most} operations at once (SATCHEL_MAX_SUBSCRIPTIONS)."
            return [{"message": detail, "extensions": {"code": Code.TOO_MANY_SUBSCRIPTIONS.name}}]
        operation = Operation(payload["query"], payload.get("operationName"), payload.get("variables") or {})
        try:
            check(core_schema, operation, self.limits)
        except SatchelError as error:
            return [{"message": error.detail, "extensions": error.extensions}]
        except InvalidOperation as invalid:
            return invalid.formatted
        return []

    async def handle_task_exception(self, error: Exception) -> None:
        """A failure of a task that serves one operation."""
        if not isinstance(error, WebSocketDisconnected):
            log.error("subscription failed", exc_info=error)


class _Adapter(AsyncWebSocketAdapter):
    """A socket on which malformed messages close with 4400 and a peer that does not read with 1013."""

    def __init__(self, socket: WebSocket, send_timeout: float) -> None:
        self._socket = socket
        self._send_timeout = send_timeout
        self._serving: asyncio.Task[None] | None = None
        self._stalled = False

    async def run(self, handler: _Handler) -> None:
        """Serve until the peer leaves, or stalls."""
        self._serving = asyncio.create_task(handler.handle())
        try:
            await self._serving
        except asyncio.CancelledError:
            if not self._stalled:
                self._serving.cancel()
                raise
            log.info("subscriber stalled")

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:  # noqa: ARG002 - Strawberry's signature
        """The peer's messages, until one does not conform."""
        try:
            while self._socket.application_state is not WebSocketState.DISCONNECTED:
                frame = await self._socket.receive()
                if frame["type"] == "websocket.disconnect":
                    return
                message = _parse(frame.get("text"))
                if message is None:
                    await self.close(INVALID_MESSAGE, "Invalid message")
                    return
                yield message
                await asyncio.sleep(0)  # many may be waiting, and so may others
        except (WebSocketDisconnect, RuntimeError):  # Starlette raises RuntimeError where a closed socket is read
            return

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send, and wait while the peer's window is full; for too long, and the connection ends."""
        try:
            async with asyncio.timeout(self._send_timeout):
                await self._socket.send_text(orjson.dumps(message).decode())
        except TimeoutError:
            await self._give_up()
            raise WebSocketDisconnected from None
        except (WebSocketDisconnect, RuntimeError) as error:
            raise WebSocketDisconnected from error

    async def close(self, code: int, reason: str) -> None:
        """Close once; a socket that is closed already stays so."""
        # A close frame has room for so many bytes, and a reason may quote the peer.
        reason = reason.encode()[:MAX_REASON].decode(errors="ignore")
        try:
            async with asyncio.timeout(1):
                await self._socket.close(code, reason)
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            return

    async def _give_up(self) -> None:
        self._stalled = True
        await self.close(TRY_AGAIN_LATER, "Too slow")
        if self._serving is not None:
            self._serving.cancel()


def _parse(text: str | None) -> dict[str, Any] | None:
    """A message of the protocol, or None for anything else, so that the handler meets no shape it does not expect."""
    try:
        message = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        return None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return None
    payload = message.get("payload")
    match message["type"]:
        case "subscribe":
            fine = _is_id(message.get("id")) and _is_operation(payload)
        case "complete":
            fine = _is_id(message.get("id"))
        case "connection_init" | "ping" | "pong":
            fine = payload is None or isinstance(payload, dict)
            if payload is None:
                message.pop("payload", None)
        case _:
            fine = False
    return message if fine else None


def _is_id(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_operation(payload: object) -> bool:
    return (
        isinstance(payload, dict)
        and isinstance(payload.get("query"), str)
        and isinstance(payload.get("operationName"), str | None)
        and all(isinstance(payload.get(member), dict | None) for member in ("variables", "extensions"))
    )
