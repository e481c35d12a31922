"""The documentation pages, over a stand-in for the vendored files."""

import re
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import Response

from satchel.http.docs import docs_routes, playground_page

PAGES = ["/docs", "/redoc", "/graphql"]


def client_of(vendor: Path) -> httpx.AsyncClient:
    app = FastAPI(docs_url=None, redoc_url=None)
    docs_routes(app, vendor)

    @app.get("/graphql")
    def playground() -> Response:
        return playground_page(vendor)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://satchel.test")


@pytest.fixture
def vendor(tmp_path):
    (tmp_path / "secret.txt").write_text("not for the public")
    vendor = tmp_path / "vendor"
    for folder in ("altair-1.0.0", "swagger-ui-2.0.0", "redoc-3.0.0"):
        (vendor / folder).mkdir(parents=True)
    (vendor / "altair-1.0.0" / "main.js").write_text("// a script")
    return vendor


@pytest.fixture
async def client(vendor):
    async with client_of(vendor) as client:
        yield client


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_names_no_other_host(client, path):
    """A page and its policy name no other host, so it works with the network cut."""
    response = await client.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "//" not in re.sub(r"^\s*//.*", "", response.text, flags=re.MULTILINE)
    assert "//" not in response.headers["content-security-policy"]


@pytest.mark.parametrize("path", PAGES)
async def test_a_policy_allows_the_script_in_the_page_and_no_other(client, path):
    """A page's policy starts from nothing, cannot be framed, and runs inline scripts by hash alone."""
    policy = (await client.get(path)).headers["content-security-policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["frame-ancestors"] == "'none'"
    assert re.fullmatch(r"'self' 'sha256-[\w+/]{43}='", directives["script-src"])


async def test_each_page_has_its_own_script(client):
    """No page's policy lets another page's script run."""
    policies = {(await client.get(path)).headers["content-security-policy"] for path in PAGES}
    assert len(policies) == len(PAGES)


async def test_the_playground_opens_with_a_query_an_upload_and_a_subscription(client):
    """A newcomer finds one operation of each sort, ready to send."""
    page = (await client.get("/graphql")).text
    assert "query Files" in page
    assert "mutation Upload($file: Upload!)" in page
    assert "uploadFile(file: $file)" in page
    assert "subscription Events" in page
    assert '<base href="vendor/altair-1.0.0/">' in page


async def test_a_vendored_file_may_be_kept_for_good(client):
    """The address of a vendored file carries its version, so a browser never asks twice."""
    response = await client.get("/vendor/altair-1.0.0/main.js")
    assert response.text == "// a script"
    assert response.headers["content-type"].startswith("text/javascript")
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path", ["none.js", "altair-1.0.0/", "", "../secret.txt", "%2e%2e/secret.txt"])
async def test_nothing_else_is_served(client, path):
    """A missing file, a folder and a way out of the folder are all not found."""
    response = await client.get(f"/vendor/{path}")
    assert response.status_code == 404
    assert "cache-control" not in response.headers


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_that_is_not_built_says_so(tmp_path, path):
    """Before the first build a page names the command that is missing."""
    async with client_of(tmp_path / "none") as client:
        response = await client.get(path)
    assert response.status_code == 503
    assert "npm run build" in response.text


async def test_the_pages_are_no_part_of_the_api_they_document(client):
    """The OpenAPI document lists the service's routes only."""
    assert not {"/docs", "/redoc"} & set((await client.get("/openapi.json")).json()["paths"])
