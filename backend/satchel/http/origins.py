"""Who may ask: the names that the server answers to, and the pages that may change something.

A page of another site can make a browser send requests here, and can let its own name lead here (DNS rebinding). Both
are refused by what browsers say of a request and no page can forge: `Host`, `Origin` and `Sec-Fetch-Site`. Clients
that are no browsers need none of the last two. Nothing of a body is read before the verdict.

https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html#fetch-metadata-headers
"""

import ipaddress
import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from satchel.errors import Code, SatchelError
from satchel.http.guards import refusal

_HOST = re.compile(r"(?P<name>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?")
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_DEFAULT_PORTS = {"http": "80", "https": "443"}


class AllowedHostsAndOrigins:
    """Refuses requests to another name, by pages of another site, or in a coding that this server does not read.

    Args:
        hosts: names that the server answers to, besides loopback names and IP addresses; in lower case.
        origins: other sites whose pages may do what the server's own may.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str], origins: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer why not."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope, Headers(scope=scope))
        except SatchelError as error:
            # A WebSocket that is not opened yet is answered like any request.
            headers = {"Accept-Encoding": "identity"} if error.code is Code.UNSUPPORTED_MEDIA_TYPE else {}
            await refusal(scope, error, headers)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _check(self, scope: Scope, headers: Headers) -> None:
        host = self._host(scope, headers)
        if _changes_state(scope):
            self._check_origin(host, headers)
        coding = headers.get("content-encoding", "identity").strip().lower()
        if coding != "identity":
            raise SatchelError(Code.UNSUPPORTED_MEDIA_TYPE, "The body must come without a Content-Encoding.")
        if headers.get("transfer-encoding", "chunked").strip().lower() != "chunked":
            raise SatchelError(Code.BAD_REQUEST, "Of all transfer codings, only chunked is read.")

    def _host(self, scope: Scope, headers: Headers) -> str:
        """The Host, in lower case."""
        named = headers.getlist("host")
        if not named and scope["http_version"] == "1.0":
            return ""
        found = _HOST.fullmatch(named[0].strip()) if len(named) == 1 else None
        if found is None:
            raise SatchelError(Code.BAD_REQUEST, "The request must name one Host.")
        name = found["name"].lower().rstrip(".")
        if not (name in self._hosts or name == "localhost" or name.endswith(".localhost") or _is_address(name)):
            raise SatchelError(
                Code.UNKNOWN_HOST, f"The server does not answer to the name {name!r} (SATCHEL_ALLOWED_HOSTS)."
            )
        return found[0].lower()

    def _check_origin(self, host: str, headers: Headers) -> None:
        origins = headers.getlist("origin")
        if origins and all(origin in self._origins for origin in origins):
            return
        # Of its scheme nothing is asked: behind a proxy that ends TLS, only the browser knows it.
        foreign = any(not _is_at(origin, host) for origin in origins)
        if foreign or headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
            raise SatchelError(
                Code.CROSS_ORIGIN, "The browser says that another site's page sent this (SATCHEL_ALLOWED_ORIGINS)."
            )


def _changes_state(scope: Scope) -> bool:
    """Whether the request can change something, or run an operation."""
    if scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS:
        return True
    asks = scope["query_string"] != b"" and scope["method"] != "OPTIONS"
    return bool(asks and scope["path"].rstrip("/") == "/graphql")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _is_at(origin: str, host: str) -> bool:
    """Whether an origin is that of the pages at a host; default ports may be left out on either side."""
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return False
    if parts.scheme not in _DEFAULT_PORTS:
        return False
    default = f":{_DEFAULT_PORTS[parts.scheme]}"
    return parts.netloc.removesuffix(default) == host.removesuffix(default)
