"""Asking the API without a socket, in the test's own event loop."""

import httpx2
from litestar import Litestar

Client = httpx2.AsyncClient


def asking(app: Litestar, key: str) -> Client:
    """A client with this key. A fault of the app is an answer, as it is on the wire."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {key}"}
    return Client(transport=transport, base_url="http://api", headers=headers)
