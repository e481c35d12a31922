"""Where a bucket is, as settings write it."""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

_BUCKET = re.compile(r"(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9](?!.*(\.\.|\.-|-\.))[a-z0-9.-]{1,61}[a-z0-9]")


class Location(NamedTuple):
    """Where a bucket is: `host` or `host:port`, whether by TLS, and its name."""

    endpoint: str
    secure: bool
    bucket: str


def parse_url(url: str) -> Location:
    """Read `s3+http://host:port/bucket` or `s3+https://host/bucket`.

    Raises:
        ValueError: it is neither; in one line that names the setting, without what may be a password.
    """
    if not url.startswith(("s3+http://", "s3+https://")):
        raise ValueError("SATCHEL_STORAGE_URL: an S3 store is s3+http://host:port/bucket or s3+https://host/bucket")
    endpoint, secure, path = _parse(url.removeprefix("s3+"), "SATCHEL_STORAGE_URL")
    bucket = path.strip("/")
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(
            f"SATCHEL_STORAGE_URL: {bucket!r} is no name of a bucket: 3 to 63 small letters, digits, dots and hyphens"
        )
    return Location(endpoint, secure, bucket)


def parse_public_url(url: str) -> tuple[str, bool]:
    """Read `http://host:port` or `https://host`: the endpoint, and whether by TLS. Raises ValueError as `parse_url`."""
    if not url.startswith(("http://", "https://")):
        raise ValueError("SATCHEL_S3_PUBLIC_URL: must be http://host:port or https://host")
    endpoint, secure, path = _parse(url, "SATCHEL_S3_PUBLIC_URL")
    if path.strip("/"):
        raise ValueError("SATCHEL_S3_PUBLIC_URL: must end with the host; a path would break the signatures")
    return endpoint, secure


def _parse(url: str, setting: str) -> tuple[str, bool, str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{setting}: {error}") from None
    if not host or re.search(r"[\s\\%]", host):
        raise ValueError(f"{setting}: names no host")
    if "@" in parts.netloc:
        raise ValueError(f"{setting}: keys do not go here but into SATCHEL_S3_ACCESS_KEY and SATCHEL_S3_SECRET_KEY")
    if parts.query or parts.fragment:
        raise ValueError(f"{setting}: must end with the path")
    name = f"[{host}]" if ":" in host else host
    return (name if port is None else f"{name}:{port}"), parts.scheme == "https", parts.path
