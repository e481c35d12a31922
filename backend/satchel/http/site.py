"""The file manager: the page at `/` and the assets that its build made."""

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

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

ASSET_POLICY = "default-src 'self'; frame-ancestors 'self'"
"""Of a script or a picture of ours: opened as a page or run as a worker, it reaches nothing but this server."""

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
async def file_manager() -> Response:
    """The page; without a build, a line that says how to make one."""
    page = APP / "index.html"
    if not page.is_file():
        return PlainTextResponse("The file manager is not built; run `make run`.\n", 404, _HEADERS)
    return FileResponse(page, headers=_HEADERS)


class Built(StaticFiles):
    """A folder of the build; before the first build there is nothing in it, which is no failure."""

    async def check_config(self) -> None:
        """Starlette fails here where the folder is missing."""


class Assets(Built):
    """Files whose names hold a hash of their content may be kept for ever; the others are asked for again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Serve one file of the build."""
        response = await super().get_response(path, scope)
        forever = path.startswith("assets/") and response.status_code == 200
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if forever else "no-cache"
        response.headers["Content-Security-Policy"] = ASSET_POLICY
        return response
