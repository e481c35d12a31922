"""The one table of failures.

Every door answers from it: `extensions.code` in GraphQL, `code` in an RFC 9457 problem document over HTTP. What is
not in this table reaches a client only as INTERNAL with a request id.
"""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class Failure:
    """One row of the table: an HTTP status, a short title, and for passing faults the seconds to wait."""

    status: int
    title: str
    retry_after: int | None = None


class Code(Enum):
    """The codes of all expected failures, with their rows."""

    NOT_FOUND = Failure(404, "No such file")
    BAD_REQUEST = Failure(400, "The request cannot be read")
    BAD_MULTIPART = Failure(400, "The multipart body cannot be read")
    INVALID_FILENAME = Failure(400, "The file name cannot be used")
    QUERY_TOO_COMPLEX = Failure(400, "The operation asks for too much")
    CROSS_ORIGIN = Failure(403, "Another site's page may not do this")
    READ_ONLY = Failure(403, "Nothing may be changed here")
    FORBIDDEN_DESTINATION = Failure(403, "A page may not use a file like this")
    METHOD_NOT_ALLOWED = Failure(405, "The method is not allowed here")
    NOT_ACCEPTABLE = Failure(406, "None of the accepted media types can be produced")
    REQUEST_TIMEOUT = Failure(408, "The request did not arrive in time")
    IDEMPOTENCY_CONFLICT = Failure(409, "The idempotency key was used for other content")
    LEASE_LOST = Failure(409, "The upload was reclaimed before it was complete")
    CURSOR_EXPIRED = Failure(410, "The cursor is too old")
    PRECONDITION_FAILED = Failure(412, "The file is not the one meant")
    FILE_TOO_LARGE = Failure(413, "The file is too large")
    PAYLOAD_TOO_LARGE = Failure(413, "The request is too large")
    URI_TOO_LONG = Failure(414, "The address is too long")
    UNSUPPORTED_MEDIA_TYPE = Failure(415, "The media type is not supported")
    RANGE_NOT_SATISFIABLE = Failure(416, "The range lies outside the file")
    UNKNOWN_HOST = Failure(421, "The server is not known by this name")
    HASH_MISMATCH = Failure(422, "The bytes do not match the declared SHA-256")
    TOO_MANY_SUBSCRIPTIONS = Failure(429, "Too many operations on one connection")
    HEADERS_TOO_LARGE = Failure(431, "The headers are too large")
    INTERNAL = Failure(500, "Unexpected failure")
    STORE_INTEGRITY = Failure(502, "The store does not hold what the record says")
    TOO_MANY_CONNECTIONS = Failure(503, "Too many connections", retry_after=5)
    SHUTTING_DOWN = Failure(503, "The server is being stopped", retry_after=5)
    STORE_UNAVAILABLE = Failure(503, "The blob store does not answer", retry_after=5)
    DATABASE_UNAVAILABLE = Failure(503, "The database does not answer", retry_after=5)
    INSUFFICIENT_STORAGE = Failure(507, "There is no room left")


class SatchelError(Exception):
    """An expected failure: a code from the table and one sentence for the client.

    The sentence must be safe to show: no path, no SQL, nothing of another request.
    """

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail

    @property
    def extensions(self) -> dict[str, object]:
        """The `extensions` of the GraphQL error that graphql-core makes of this one."""
        return {"code": self.code.name}

    def problem(self) -> dict[str, object]:
        """The members of an RFC 9457 problem document."""
        failure = self.code.value
        return {
            "type": "about:blank",
            "title": failure.title,
            "status": failure.status,
            "detail": self.detail,
            "code": self.code.name,
        }

    def headers(self) -> dict[str, str]:
        """The HTTP headers that go with the failure."""
        retry_after = self.code.value.retry_after
        return {} if retry_after is None else {"Retry-After": str(retry_after)}


class CannotStart(Exception):
    """Why a server cannot start, in one line that names the setting to look at."""


def too_large(limit: int) -> SatchelError:
    """FILE_TOO_LARGE, with the most bytes that a file may have."""
    return SatchelError(Code.FILE_TOO_LARGE, f"A file may have {limit:,} bytes at most (SATCHEL_MAX_FILE_SIZE).")


def too_many_files(limit: int) -> SatchelError:
    """PAYLOAD_TOO_LARGE, with the most files that a request may upload."""
    detail = f"A request may upload {limit:,} files at most (SATCHEL_MAX_FILES_PER_REQUEST)."
    return SatchelError(Code.PAYLOAD_TOO_LARGE, detail)


def too_many_deletions(limit: int) -> SatchelError:
    """BAD_REQUEST, with the most files that an operation may name to delete them."""
    return SatchelError(Code.BAD_REQUEST, f"At most {limit:,} files are deleted at once (SATCHEL_MAX_DELETE_FILES).")


def not_found(file_id: object) -> SatchelError:
    """NOT_FOUND for an id, malformed ones included: an id that is no UUID names no file."""
    return SatchelError(Code.NOT_FOUND, f"There is no file with the id {str(file_id)[:64]!r}.")
