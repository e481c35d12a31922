"""Opaque cursors: base64url without padding over a JSON array."""

import base64
from typing import Any

import orjson

from satchel.errors import Code, SatchelError

MAX_INT = 2**63 - 1
"""The largest integer that either database holds."""


def pack(*values: str | int) -> str:
    """A cursor that holds the values."""
    return base64.urlsafe_b64encode(orjson.dumps(values)).rstrip(b"=").decode()


def unpack(cursor: str, *types: type) -> Any:
    """The values of a cursor, which must be of the given types and storable in a database.

    Raises BAD_REQUEST for text that `pack` would not have made of such values.
    """
    try:
        values = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        genuine = pack(*values) == cursor
    except (ValueError, TypeError):
        raise malformed() from None
    if not genuine or [type(value) for value in values] != list(types):
        raise malformed()
    if any(abs(value) > MAX_INT if isinstance(value, int) else "\0" in value for value in values):
        raise malformed()
    return values


def malformed() -> SatchelError:
    """BAD_REQUEST for a cursor that is none of ours."""
    return SatchelError(Code.BAD_REQUEST, "The cursor is not one that this service gave for this listing.")
