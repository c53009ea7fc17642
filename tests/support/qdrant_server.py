"""A Qdrant server for tests: the part of its REST interface that we use, over the real engine.

    with QdrantServer(directory) as server:
        async with QdrantReadStore.connect(server.url, embedder) as store: ...

Or for many processes: `python -m tests.support.qdrant_server --port 6333 --path DIR [--api-key KEY]`,
which prints its address and ends at SIGTERM.
"""

import argparse
import json
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.support.qdrant_collections import Collection, Collections, Refused

VERSION = "1.19.0"
REQUESTS_REMEMBERED_MAX = 10_000
BODY_BYTES_MAX = 32 * 2**20

POINTS: dict[tuple[str, str], Callable[[Collection, Any], Any]] = {
    ("PUT", "index"): Collection.index,
    ("PUT", "points"): Collection.upsert,
    ("POST", "points"): Collection.retrieve,
    ("POST", "points/scroll"): Collection.scroll,
    ("POST", "points/query"): Collection.query,
}


class QdrantServer:
    """Serves a directory. May be stopped and started: same address, same collections."""

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        api_key: str | None = None,
        version: str = VERSION,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        """`tls`: certificate and key. Port 0 is any that is free."""
        self.directory = directory
        self.port = port
        self.api_key = api_key
        self.version = version
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        """(method, path, query, body) of each request."""
        self.answer_instead: tuple[int, str] | None = None
        """A status and a text that are answered to everything."""
        self._tls = tls
        self._http: _Http | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.collections = Collections(self.directory)
        self._http = _Http(("127.0.0.1", self.port), self, self._tls)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Hang up on everybody."""
        if self._http is not None:
            self._http.stop()
            self.collections.close()
            self._http = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def answer(self, method: str, target: str, key: str | None, body: Any) -> tuple[int, bytes]:
        """The status and the bytes of an answer."""
        began = time.perf_counter()
        address = urlsplit(target)
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        if len(self.requests) < REQUESTS_REMEMBERED_MAX:
            self.requests.append((method, address.path, query, body))
        if self.answer_instead is not None:
            status, text = self.answer_instead
            return status, text.encode()
        if address.path == "/":
            about = {"title": "qdrant - vector search engine", "version": self.version}
            return 200, json.dumps(about).encode()
        if self.api_key is not None and key != self.api_key:
            said = "Invalid API key or JWT" if key else "Must provide an API key"
            return 401, said.encode()
        try:
            status, result = 200, {"result": self._result(method, address.path, body)}
            said: Any = "ok"
        except Refused as error:
            status, result, said = error.status, {}, {"error": str(error)}
        except Exception as error:  # the engine has no error classes of its own
            status, result, said = 400, {}, {"error": f"Wrong input: {error}"}
        whole = {**result, "status": said, "time": time.perf_counter() - began}
        return status, json.dumps(whole).encode()

    def _result(self, method: str, path: str, body: Any) -> Any:
        match method, path.strip("/").split("/", 2):
            case "GET", ["collections"]:
                return {"collections": [{"name": name} for name in self.collections.names()]}
            case "PUT", ["collections", name]:
                return self.collections.create(name, body)
            case "DELETE", ["collections", name]:
                return self.collections.delete(name)
            case "GET", ["collections", name]:
                collection = self.collections.get(name)
                with collection.lock:
                    return collection.info()
            case "GET", ["collections", name, "exists"]:
                return {"exists": name in self.collections.names()}
            case _, ["collections", name, rest] if (method, rest) in POINTS:
                collection = self.collections.get(name)
                with collection.lock:
                    return POINTS[method, rest](collection, body)
            case _:
                raise Refused(501, f"this server has no {method} {path}")


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(
        self, address: tuple[str, int], qdrant: QdrantServer, tls: tuple[Path, Path] | None
    ) -> None:
        self.qdrant = qdrant
        self._connections: set[socket.socket] = set()
        super().__init__(address, _Request)
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is none of our business."""

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Http

    def _answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        if length > BODY_BYTES_MAX:
            status, answer = 413, b"Payload too large"
            self.close_connection = True
        else:
            body = self.rfile.read(length)
            status, answer = self.server.qdrant.answer(
                self.command, self.path, self.headers.get("api-key"), json.loads(body or b"null")
            )
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--path", type=Path, required=True)
    parser.add_argument("--api-key")
    given = parser.parse_args()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    with QdrantServer(given.path, port=given.port, api_key=given.api_key) as server:
        print(server.url, flush=True)
        ended.wait()


if __name__ == "__main__":
    main()
