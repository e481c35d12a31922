"""Who may ask: rows of the real server, with headers that browsers send and no client library does."""

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from clients import client_at
from raw import END, MULTIPART, connected, head_of_part
from sockets import opened
from stacks import one_is_enough

pytestmark = one_is_enough

APP = "https://app.example.org"
NAMED = pytest.mark.settings(allowed_hosts="files.example.org, other.example.org", allowed_origins=APP)
FORM = head_of_part("file", "a.txt") + b"abc" + END
QUERY = b'{"query": "mutation { deleteFiles(ids: []) { ids } }"}'

FOREIGN = [
    pytest.param({"Origin": "https://evil.example"}, id="foreign-origin"),
    pytest.param({"Origin": "null"}, id="null-origin"),
    pytest.param({"Origin": "http://127.0.0.1.evil.example"}, id="origin-that-begins-alike"),
    pytest.param({"Origin": "http://user@127.0.0.1"}, id="origin-with-a-user"),
    pytest.param({"Origin": "http://[::1"}, id="origin-that-cannot-be-read"),
    pytest.param({"Sec-Fetch-Site": "cross-site"}, id="cross-site"),
    pytest.param({"Sec-Fetch-Site": "same-site"}, id="same-site"),
    pytest.param({"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "cross-site"}, id="own-origin-cross-site"),
    pytest.param({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, id="foreign-origin-same-site"),
]
OWN = [
    pytest.param({}, id="no-browser"),
    pytest.param({"Origin": "http://127.0.0.1"}, id="own-origin"),
    pytest.param({"Origin": "https://127.0.0.1", "Sec-Fetch-Site": "same-origin"}, id="behind-tls"),
    pytest.param({"Origin": "http://127.0.0.1:80"}, id="default-port-written"),
    pytest.param({"Sec-Fetch-Site": "none"}, id="typed-by-the-user"),
]


def code_of(answer):
    body = answer.json()
    return body["errors"][0]["extensions"]["code"] if "errors" in body else body["code"]


async def asked(server, method, path, headers, body=b"", host="127.0.0.1"):
    """The answer to one request, its body sent only as far as it is given."""
    async with connected(server) as raw:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {headers[name]}" for name in headers)]
        await raw.send("\r\n".join([*lines, "", ""]).encode(), body)
        return await raw.answer()


async def files_in(server):
    async with client_at(server) as client:
        return len((await client.get("/files")).json())


@pytest.mark.parametrize("headers", FOREIGN)
async def test_another_sites_page_changes_nothing(shared_server, headers):
    """It is refused at every door before a byte of the body came, and the connection ends."""
    before = await files_in(shared_server)
    unsent = {"Content-Length": "1000000000"}
    upload = {"Content-Type": MULTIPART, **unsent, **headers}
    answers = [
        await asked(shared_server, "POST", "/files/upload", upload),
        await asked(shared_server, "POST", "/graphql", upload),
        await asked(shared_server, "POST", "/graphql", {"Content-Type": "application/json", **unsent, **headers}),
        await asked(shared_server, "POST", "/graphql", {"Content-Type": "text/plain", **unsent, **headers}),
        await asked(shared_server, "DELETE", "/files/3f0c8f4e-0000-4000-8000-000000000000", headers),
        await asked(shared_server, "GET", "/graphql?query=%7B__typename%7D", headers),
        await asked(shared_server, "GET", "/graphql?%71uery=%7B__typename%7D", headers),
        await asked(shared_server, "GET", "/%67raphql?query=%7B__typename%7D", headers),
    ]
    assert [(answer.status, code_of(answer)) for answer in answers] == [(403, "CROSS_ORIGIN")] * len(answers)
    assert {answer.headers.get("connection") for answer in answers[:4]} == {"close"}
    assert not any("access-control-allow-origin" in answer.headers for answer in answers)
    assert await files_in(shared_server) == before


@pytest.mark.parametrize("headers", OWN)
async def test_its_own_pages_and_clients_that_are_no_browsers_may_do_all(shared_server, headers):
    """They need no header that they do not send anyway."""
    upload = {"Content-Type": MULTIPART, "Content-Length": len(FORM), **headers}
    json = {"Content-Type": "application/json", "Content-Length": len(QUERY), **headers}
    stored = await asked(shared_server, "POST", "/files/upload", upload, FORM)
    answers = [
        stored,
        await asked(shared_server, "POST", "/graphql", json, QUERY),
        await asked(shared_server, "GET", "/graphql?query=%7B__typename%7D", headers),
        await asked(shared_server, "DELETE", f"/files/{stored.json()['id']}", headers),
    ]
    assert [answer.status for answer in answers] == [200] * 4
    assert not any("errors" in answer.json() for answer in answers)


@pytest.mark.parametrize("path", ["/healthz", "/files", "/graphql", "/"])
async def test_another_site_may_link_here(shared_server, path):
    """What only shows something is open to links, and no page of another site can read the answer."""
    headers = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example", "Accept": "text/html"}
    answer = await asked(shared_server, "GET", path, headers)
    assert answer.status == 200
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
async def test_another_sites_page_opens_no_websocket(shared_server, origin):
    """The handshake is refused."""
    with pytest.raises(InvalidStatus) as refused:
        async with opened(shared_server, origin=origin):
            pass
    assert refused.value.response.status_code == 403
    assert refused.value.response.headers["x-content-type-options"] == "nosniff"
    assert b"CROSS_ORIGIN" in refused.value.response.body
    assert refused.value.response.headers["X-Content-Type-Options"] == "nosniff"
    assert refused.value.response.headers["Content-Security-Policy"].startswith("default-src 'none'")


async def test_its_own_page_opens_a_websocket(shared_server):
    """With its Origin, as browsers send it."""
    async with opened(shared_server, origin=shared_server.url) as socket:
        await socket.initialise()


HOSTS = ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example:8000", "files.example.org"]


@pytest.mark.parametrize("host", HOSTS)
async def test_the_server_does_not_answer_to_a_name_that_it_was_not_told(shared_server, host):
    """A name that somebody else lets lead here (DNS rebinding) gets nothing, at no door."""
    for path in ("/", "/files", "/graphql", "/healthz"):
        answer = await asked(shared_server, "GET", path, {}, host=host)
        assert (answer.status, code_of(answer)) == (421, "UNKNOWN_HOST")
        assert b"SATCHEL_ALLOWED_HOSTS" in answer.body
    with pytest.raises(InvalidStatus) as refused:
        async with opened(shared_server, additional_headers={"Host": host}):
            pass
    assert refused.value.response.status_code in {400, 421}  # two Hosts, where the client adds its own


@pytest.mark.parametrize("host", ["", "a b", "evil.example/", "user@127.0.0.1", "[::1", "127.0.0.1\r\nHost: localhost"])
async def test_a_request_names_one_host(shared_server, host):
    """None, two, or one that is no name cannot be judged."""
    answer = await asked(shared_server, "GET", "/healthz", {}, host=host)
    assert answer.status == 400


@NAMED
async def test_names_and_origins_can_be_allowed(server):
    """The names that were told are answered to; the sites that were told may use the API from their pages."""
    for host in (
        "files.example.org",
        "FILES.example.org:8080",
        "other.example.org",
        "localhost",
        "[::1]:80",
        "10.0.0.1",
    ):
        assert (await asked(server, "GET", "/healthz", {}, host=host)).status == 200
    async with httpx.AsyncClient(
        base_url=server.url, headers={"Origin": APP, "Sec-Fetch-Site": "cross-site"}
    ) as client:
        wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        preflight = await client.options("/graphql", headers=wanted)
        assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, APP)
        answer = await client.post("/graphql", json={"query": "{ __typename }"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, APP)
        preflight = await client.options("/graphql", headers={**wanted, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in preflight.headers
    async with opened(server, origin=APP) as socket:
        await socket.initialise()


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "gzip, identity"])
@pytest.mark.parametrize("path", ["/files/upload", "/graphql"])
async def test_a_coded_body_is_not_read(shared_server, path, coding):
    """What could unpack to any size is refused while it is packed."""
    headers = {"Content-Type": "application/json", "Content-Encoding": coding, "Content-Length": "1000000"}
    answer = await asked(shared_server, "POST", path, headers)
    assert (answer.status, code_of(answer)) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert answer.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/redoc", "/graphql", "/openapi.json", "/files", "/healthz", "/nothing"]
)
async def test_every_answer_is_safe_in_a_browser(shared_server, path):
    """It is taken as its type says, runs nothing from elsewhere and cannot be framed by another site."""
    answer = await asked(shared_server, "GET", path, {"Accept": "text/html"})
    policy = dict(entry.strip().partition(" ")[::2] for entry in answer.headers["content-security-policy"].split(";"))
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert policy["frame-ancestors"] in {"'none'", "'self'"}
    assert policy["default-src"] in {"'none'", "'self'"}
    assert "'unsafe-inline'" not in policy.get("script-src", "")
    assert "ws:" not in policy.get("connect-src", "")
    if path == "/":
        assert policy["require-trusted-types-for"] == "'script'"
        assert "unsafe" not in answer.headers["content-security-policy"]
