"""HTTP clients that need no network."""

import httpx


def client_of(app):
    """A client of an application; unexpected failures are answered, not raised."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")
