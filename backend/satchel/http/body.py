"""The bytes of one request as they arrive, straight from the server."""

from collections.abc import AsyncIterator

from starlette.types import Receive

from satchel.errors import Code, SatchelError


class ClientGone(Exception):
    """The connection ended before the body did; nobody is there to be answered."""


async def stream(receive: Receive) -> AsyncIterator[bytes]:
    """The body in the chunks in which the server received it. Raises ClientGone where it ends early."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        more = message.get("more_body", False)
        if chunk := message.get("body", b""):
            yield chunk


async def read(receive: Receive, limit: int, setting: str) -> bytes:
    """A small body, whole. Raises PAYLOAD_TOO_LARGE, naming the setting that raises the limit."""
    body = bytearray()
    async for chunk in stream(receive):
        body += chunk
        if len(body) > limit:
            raise SatchelError(Code.PAYLOAD_TOO_LARGE, f"The body may have {limit:,} bytes at most ({setting}).")
    return bytes(body)
