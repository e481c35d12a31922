"""HTTP clients."""

import httpx


def client_of(app):
    """A client of an application, without a network; unexpected failures are answered, not raised."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


def client_at(server):
    """A client of a server."""
    return httpx.AsyncClient(base_url=server.url, timeout=60)
