"""The documentation pages: Swagger UI, ReDoc and the GraphQL playground (Altair), all with the network cut.

Their scripts are part of the package (`static/vendor`, filled by `frontend/vendor.mjs`). Every address in a
page is relative, so the pages also work below a path behind a proxy. Each page has a Content-Security-Policy
of its own: of the scripts inside a page only the one written here runs, by its hash, and nothing comes from
another host.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import Scope

from satchel.http.site import ASSET_POLICY, Built

VENDOR: Final = Path(__file__).parent.parent / "static" / "vendor"
"""One folder a page, named with the version of what it holds: `altair-8.5.9`."""

_FILES: Final = """\
# The newest files. eventCursor is where the Events tab can resume without missing one.
query Files($search: String) {
  files(first: 20, filter: { search: $search }) {
    nodes {
      id
      filename
      size
      contentType
      kind
      hash
      uploadDate
      copies
      previewUrl
      downloadUrl
    }
    pageInfo {
      hasNextPage
      endCursor
    }
    totalCount
    eventCursor
  }
}
"""
_UPLOAD: Final = """\
# Open VARIABLES below, "Add files", "Select files", then send.
mutation Upload($file: Upload!) {
  uploadFile(file: $file) {
    file {
      id
      filename
      size
      contentType
      hash
      downloadUrl
    }
    deduplicated
  }
}
"""
_EVENTS: Final = """\
# Send, then upload, rename or delete a file in another tab and watch it arrive here.
subscription Events($after: String) {
  fileEvents(after: $after) {
    cursor
    kind
    fileId
    file {
      filename
      size
    }
  }
}
"""


def docs_routes(app: FastAPI, vendor: Path = VENDOR) -> None:
    """Add `/docs`, `/redoc` and the files under `/vendor` that they and the playground load to `app`."""

    def swagger() -> Response:
        return swagger_page(vendor)

    def redoc() -> Response:
        return redoc_page(vendor)

    app.add_api_route("/docs", swagger, methods=["GET", "HEAD"], include_in_schema=False)
    app.add_api_route("/redoc", redoc, methods=["GET", "HEAD"], include_in_schema=False)
    app.mount("/vendor", _VendorFiles(directory=vendor, check_dir=False), name="vendor")


def swagger_page(vendor: Path = VENDOR) -> Response:
    """Swagger UI over `openapi.json`; "Try it out" sends its requests to this server only."""
    return _page(
        "Satchel: HTTP API",
        _folder(vendor, "swagger-ui"),
        """
    <link rel="stylesheet" href="FOLDER/swagger-ui.css">
    <style>body { margin: 0; }</style>
    <script src="FOLDER/swagger-ui-bundle.js" defer></script>
    <div id="page"></div>""",
        """
      SwaggerUIBundle({
        url: "openapi.json",
        dom_id: "#page",
        deepLinking: true,
        displayRequestDuration: true,
        validatorUrl: null,
      });""",
        "connect-src 'self'",
    )


def redoc_page(vendor: Path = VENDOR) -> Response:
    """ReDoc over `openapi.json`, with its telemetry switched off."""
    return _page(
        "Satchel: HTTP API reference",
        _folder(vendor, "redoc"),
        """
    <style>body { margin: 0; }</style>
    <div id="page"></div>""",
        """
      import { init } from "./FOLDER/redoc.standalone.js";
      init("openapi.json", { disableTelemetry: true }, document.getElementById("page"));""",
        "connect-src 'self'; worker-src blob:",
    )


def playground_page(vendor: Path = VENDOR) -> Response:
    """Altair, at the address of the GraphQL endpoint itself: queries, file uploads and subscriptions."""
    tabs = [
        {"initialName": name, "initialQuery": query, "initialVariables": variables}
        for name, query, variables in (
            ("Events", _EVENTS, '{\n  "after": null\n}'),
            ("Upload", _UPLOAD, "{}"),
            ("Files", _FILES, '{\n  "search": null\n}'),  # the last one is in front
        )
    ]
    # The browser knows where it found this page; behind a proxy the server may not.
    script = f"""
      const endpoint = location.origin + location.pathname;
      const connection = {{
        endpointURL: endpoint,
        subscriptionsEndpoint: endpoint.replace(/^http/, "ws"),
        initialSubscriptionRequestHandlerId: "graphql-ws",
      }};
      AltairGraphQL.init({{
        ...connection,
        initialWindows: {json.dumps(tabs)}.map((tab) => ({{ ...connection, ...tab }})),
        disableAccount: true,
        persistedSettings: {{
          "banners.disable": true,
          "alert.disableUpdateNotification": true,
          disablePushNotification: true,
        }},
      }});"""
    return _page(
        "Satchel: GraphQL",
        _folder(vendor, "altair"),
        """
    <base href="FOLDER/">
    <link rel="stylesheet" href="styles.css">
    <script type="module" src="polyfills.js"></script>
    <script type="module" src="main.js"></script>
    <app-root></app-root>""",
        script,
        "connect-src 'self'; worker-src 'self' blob:",
    )


class _VendorFiles(Built):
    """Files that may be kept for good: another version lives in another folder."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        response.headers["Content-Security-Policy"] = ASSET_POLICY
        return response


def _folder(vendor: Path, name: str) -> str | None:
    """The page's folder as its address relative to the page; None before the first build."""
    return next((f"vendor/{found.name}" for found in vendor.glob(f"{name}-*")), None)


def _page(title: str, folder: str | None, content: str, script: str, policy: str) -> Response:
    """A page of `content` and then `script`, in which FOLDER stands for the folder with the page's files."""
    if folder is None:
        return PlainTextResponse("This page is not built yet: run `npm run build`.\n", 503)
    content, script = content.replace("FOLDER", folder), script.replace("FOLDER", folder)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    html = f"""<!doctype html>
<html lang="en">
    <meta charset="utf-8">
    <title>{title}</title>
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <link rel="icon" href="data:,">{content}
    <script type="module">{script}</script>
</html>
"""
    policy = (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self' 'unsafe-inline'; "
        f"img-src 'self' data:; font-src 'self' data:; {policy}; "
        "base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-cache",
    }
    return HTMLResponse(html, headers=headers)
