"""The file manager: the page at `/` and the assets that its build made."""

import os
from pathlib import Path

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from satchel.http.accept import accepted

APP = Path(__file__).parent.parent / "static" / "app"

# Nothing inside the page runs. Only Svelte's own templates become markup, and one worker code (Trusted Types).
_CSP = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
        "require-trusted-types-for 'script'",
        "trusted-types svelte-trusted-html satchel-worker",
    )
)
_HEADERS = {
    "Content-Security-Policy": _CSP,
    "Cache-Control": "no-cache",
}

_CONDITIONS = {"range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"}

ASSET_POLICY = "default-src 'self'; frame-ancestors 'self'"
"""Of a script or a picture of ours: opened as a page or run as a worker, it reaches nothing but this server."""

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
async def file_manager() -> Response:
    """The page; without a build, a line that says how to make one."""
    try:
        page = (APP / "index.html").read_bytes()  # two kilobytes, sooner read than handed to a thread
    except FileNotFoundError:
        return PlainTextResponse("The file manager is not built; run `make run`.\n", 404, _HEADERS)
    return HTMLResponse(page, headers=_HEADERS)


class Built(StaticFiles):
    """A folder of the build; before the first build there is nothing in it, which is no failure.

    What the build packed is sent packed to whoever takes that.
    """

    async def check_config(self) -> None:
        """Starlette fails here where the folder is missing."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Send a file, or that the client has it."""
        packed = Path(f"{full_path}.gz")
        if not packed.is_file():
            return super().file_response(full_path, stat_result, scope, status_code)
        if _takes_packed(Headers(scope=scope)):
            response = super().file_response(packed, packed.stat(), scope, status_code)
            if isinstance(response, FileResponse):
                response.headers["Content-Encoding"] = "gzip"
                response.headers["Content-Type"] = FileResponse(full_path).headers["Content-Type"]
        else:
            response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Vary"] = "Accept-Encoding"
        return response


class Assets(Built):
    """Files whose names hold a hash of their content may be kept for ever; the others are asked for again.

    They are kept here, too: a first visit asks for several at once, and each that is read from the disk waits for
    threads again and again.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory, check_dir=False)
        self._kept: dict[tuple[str, bool], tuple[bytes, Headers]] = {}

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Serve one file of the build."""
        asked = Headers(scope=scope)
        name = path, _takes_packed(asked)
        whole = scope["method"] == "GET" and not _CONDITIONS & set(asked.keys())
        if whole and name in self._kept:
            content, headers = self._kept[name]
            return Response(content, headers=headers)
        response = await super().get_response(path, scope)
        forever = path.startswith("assets/") and response.status_code == 200
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if forever else "no-cache"
        response.headers["Content-Security-Policy"] = ASSET_POLICY
        if forever and whole and isinstance(response, FileResponse):
            self._kept[name] = (
                await run_in_threadpool(Path(response.path).read_bytes),
                Headers(raw=response.raw_headers),
            )
        return response


def _takes_packed(headers: Headers) -> bool:
    codings = dict(accepted(headers, "accept-encoding"))
    return codings.get("gzip", codings.get("*", 0)) > 0
