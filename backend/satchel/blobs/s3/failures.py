"""What stores fail with: what may pass, what the table says of it, and why a server cannot start."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import cast
from xml.etree.ElementTree import ParseError

import aiohttp
import structlog
from miniopy_async.error import InvalidResponseError, MinioException, S3Error, ServerError

from satchel.errors import Code, SatchelError

_FULL = {"XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "InsufficientStorage"}
_BUSY = {"SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "OperationAborted"}

# Why a server cannot start, by the code of the answer, and by the error where there was no answer.
_OTHER_REGION = "SATCHEL_S3_REGION: the store at {address} is in another region ({answer})"
_FORBIDDEN = "SATCHEL_S3_ACCESS_KEY: the store at {address} does not let this key use the bucket {bucket!r} ({answer})"
_UNLIKE_S3 = "SATCHEL_STORAGE_URL: what answers at {address} does not act as an S3 store ({answer})"
_REFUSED = {
    "InvalidAccessKeyId": "SATCHEL_S3_ACCESS_KEY: the store at {address} does not know this key",
    "SignatureDoesNotMatch": "SATCHEL_S3_SECRET_KEY: is not the secret of SATCHEL_S3_ACCESS_KEY at {address}",
    "AuthorizationHeaderMalformed": _OTHER_REGION,
    "IllegalLocationConstraintException": _OTHER_REGION,
    "InvalidRegion": _OTHER_REGION,
    "PermanentRedirect": _OTHER_REGION,
    "BucketAlreadyExists": "SATCHEL_STORAGE_URL: the bucket {bucket!r} at {address} belongs to somebody else",
    "InvalidBucketName": "SATCHEL_STORAGE_URL: the store at {address} takes no bucket of the name {bucket!r}",
    "RequestTimeTooSkewed": "SATCHEL_STORAGE_URL: the clock of the store at {address} differs too much from ours",
}
_UNREACHABLE: dict[type[BaseException], str] = {
    aiohttp.ClientConnectorCertificateError: (
        "SATCHEL_STORAGE_URL: the certificate of {address} is not trusted (SSL_CERT_FILE names those that are)"
    ),
    aiohttp.ClientConnectorSSLError: "SATCHEL_STORAGE_URL: no TLS at {address}; s3+http:// goes without",
    aiohttp.ClientResponseError: "SATCHEL_STORAGE_URL: no HTTP at {address}; s3+https:// is with TLS",
    BaseException: "SATCHEL_STORAGE_URL: nothing answers at {address} ({error})",
}

# What a call of the client, or a request of our own, fails with where the fault is not ours.
FAULTS = (MinioException, aiohttp.ClientError, OSError, ParseError, UnicodeDecodeError)

_MOST = 256 * 1024
"""Bytes of a refusal that are read."""

log = structlog.get_logger(__name__)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what the store answered, or that it did not, into the table's failures; the cause stays in the log."""
    try:
        yield
    except FAULTS as error:
        log.error("store failed", doing=doing, error=described(error))
        status, code = _answer(error)
        if status == HTTPStatus.INSUFFICIENT_STORAGE or code in _FULL:
            raise SatchelError(Code.INSUFFICIENT_STORAGE, "There is no room left to store the file.") from error
        raise SatchelError(Code.STORE_UNAVAILABLE, "The blob store failed; try again later.") from error


async def refusal(response: aiohttp.ClientResponse) -> MinioException:
    """What the client would raise for an answer that is no success."""
    body = (await response.content.read(_MOST)).decode(errors="replace")
    try:
        return cast("MinioException", S3Error.fromxml(response, body))
    except ParseError:
        return cast("MinioException", InvalidResponseError(response.status, response.headers.get("Content-Type"), body))


def _answer(error: BaseException) -> tuple[int | None, str | None]:
    """The status and the code that the store answered with; None where it did not."""
    if isinstance(error, S3Error):
        return error.response.status, error.code
    if isinstance(error, ServerError):
        return error.status_code, None
    if isinstance(error, InvalidResponseError):
        return error._code, None
    return None, None


def passes(error: BaseException) -> bool:
    """Whether the same request may succeed a little later."""
    status, code = _answer(error)
    if status is None:
        return not isinstance(error, aiohttp.ClientSSLError | aiohttp.InvalidURL | aiohttp.TooManyRedirects)
    if code in _FULL or status in {HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.INSUFFICIENT_STORAGE}:
        return False
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS or code in _BUSY


def why_not(error: BaseException, address: str, bucket: str) -> str:
    """Why the bucket cannot be used, in one line that names the setting."""
    status, code = _answer(error)
    if status is None:
        reason = next(text for kind, text in _UNREACHABLE.items() if isinstance(error, kind))
    else:
        unlike = _FORBIDDEN if status == HTTPStatus.FORBIDDEN else _UNLIKE_S3
        reason = _REFUSED.get(code or "", unlike)
    return reason.format(address=address, bucket=bucket, answer=code or status, error=described(error))


def described(error: BaseException) -> str:
    """The error for the log, in one short line, without the signatures of addresses."""
    text = re.sub(r"\?\S*", "?", f"{type(error).__name__}: {error}")
    return " ".join(text.split())[:500]
