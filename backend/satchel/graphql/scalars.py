"""The scalars of the contract: sizes past 2^31, RFC 3339 dates in UTC, and files that stream in."""

from datetime import UTC, datetime
from typing import NewType

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from satchel.http.multipart import bad_multipart
from satchel.intake import Upload

BigInt = NewType("BigInt", int)
MAX_BIGINT = 2**63 - 1


class UploadSlot:
    """The handle of a file in the variables of an operation.

    Made when `map` is read, so that the operation can be checked before the first byte; filled when the file is in. The
    same slot may stand at several places: the same file used twice.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self._upload: Upload | None = None

    def fill(self, upload: Upload) -> None:
        """The file is in, whole and durable."""
        self._upload = upload

    @property
    def filled(self) -> bool:
        """Whether the file came."""
        return self._upload is not None

    @property
    def upload(self) -> Upload:
        """The finished upload. Operations run when all slots are filled."""
        if self._upload is None:
            raise bad_multipart(f"The file part {self.key!r} is missing.")
        return self._upload


def _parse_bigint(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_BIGINT:
        raise GraphQLError("A BigInt is a whole number of 64 bits.")
    return value


def _parse_date(value: object) -> datetime:
    try:
        date = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        date = None
    if date is None or date.tzinfo is None:
        raise GraphQLError("A DateTime is written as in RFC 3339, with its offset: 2026-01-31T12:00:00Z.")
    return date.astimezone(UTC)


def _write_date(date: datetime) -> str:
    return date.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _parse_upload(value: object) -> UploadSlot:
    if not isinstance(value, UploadSlot):
        raise GraphQLError("An Upload is sent as a part of a multipart request.")
    return value


SCALARS: dict[object, ScalarDefinition] = {
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number of 64 bits, as a JSON number; sizes are in bytes.",
        serialize=int,
        parse_value=_parse_bigint,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description="A date and time in UTC.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=_write_date,
        parse_value=_parse_date,
    ),
    UploadSlot: strawberry.scalar(
        name="Upload",
        description="A file, sent as a part of a multipart request.",
        specified_by_url="https://github.com/jaydenseric/graphql-multipart-request-spec",
        serialize=str,
        parse_value=_parse_upload,
    ),
}
