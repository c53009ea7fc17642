"""A small ClickHouse server for tests: the HTTP protocol over a real engine (chDB) in a process of its own.

`python -m tests.support.clickhouse_server --port N --path DIR` runs one; `ClickHouseProcess` does that for
a test. It speaks what `clickhouse_connect` uses: statements and inserts in the body, parameters and settings
in the query string, compression, basic auth, errors with their code in a header. One difference: an answer
is complete before its first byte is sent.
"""

import argparse
import asyncio
import base64
import queue
import re
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import lz4.frame

from tests.support.certificates import Certificates
from tests.support.engines import free_port

CLIENTS = 4
BODY_BYTES_MAX = 1 << 30
LINE_BYTES_MAX = 1 << 20
START_SECONDS_MAX = 30
AUTHENTICATION_FAILED = 516
STATUS_OF_CODE = {60: 404, 81: 404, AUTHENTICATION_FAILED: 403, 202: 503, 209: 503}
ROOT = Path(__file__).parents[2]

_NO_SETTINGS = {
    *("query", "database", "user", "password", "session_id", "query_id", "quota_key", "compress"),
    *("decompress", "wait_end_of_query", "client_protocol_version", "enable_http_compression"),
    *("send_progress_in_http_headers", "http_headers_progress_interval_ms", "default_format"),
}
_INSERT = re.compile(rb"\s*INSERT\s+INTO\s.*?\bFORMAT\s+(\w+)\s*?\n", re.IGNORECASE | re.DOTALL)
_CODE = re.compile(r"Code: (\d+)")


class ClickHouseProcess:
    """A server on a directory. It can be killed and started again, on the same port."""

    def __init__(
        self,
        path: Path,
        *,
        user: str = "default",
        password: str = "",
        version: str | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        """`version`: what it says it is. `certificates`: for https."""
        self.path = path
        self.port = free_port()
        self.user = user
        self.password = password
        self._version = version
        self._certificates = certificates
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        scheme = "https" if self._certificates else "http"
        return f"{scheme}://{quote(self.user, safe='')}:{quote(self.password, safe='')}@127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = [sys.executable, "-m", "tests.support.clickhouse_server"]
        command += ["--port", str(self.port), "--path", str(self.path)]
        command += ["--user", self.user, "--password", self.password]
        command += ["--version", self._version] if self._version else []
        if self._certificates:
            command += ["--certificate", str(self._certificates.certificate)]
            command += ["--key", str(self._certificates.key)]
        self._process = subprocess.Popen(command, cwd=ROOT)
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._answers():
            assert self._process.poll() is None, "the ClickHouse server did not start"
            assert time.monotonic() < deadline, "the ClickHouse server does not answer"
            time.sleep(0.02)

    def stop(self) -> None:
        """Finish what runs, and end."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_SECONDS_MAX)
            self._process = None

    def kill(self) -> None:
        """As kill -9 does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(START_SECONDS_MAX)
        self._process = None

    def _answers(self) -> bool:
        with suppress(OSError):
            address = ("127.0.0.1", self.port)
            unchecked = ssl._create_unverified_context()
            connection = (
                HTTPSConnection(*address, timeout=1, context=unchecked)
                if self._certificates
                else HTTPConnection(*address, timeout=1)
            )
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
        return False


class Session:
    """One connection to the engine, used by one thread at a time; settings stay until they change."""

    def __init__(self, path: str) -> None:
        import chdb

        self._connection = chdb.connect(path)
        self._settings: dict[str, str] = {}
        self._database = "default"

    def answer(
        self, statement: bytes, body: bytes, parameters: dict[str, str], database: str | None,
        settings: dict[str, str],
    ) -> bytes:  # fmt: skip
        """What a statement answers, or RuntimeError; `body` are the rows of an insert."""
        self._set(settings)
        if self._database != (database or "default"):
            self._run(f"USE `{database or 'default'}`")
            self._database = database or "default"
        if not body:
            return self._run(statement.decode(), parameters)
        with tempfile.NamedTemporaryFile(suffix=".rows") as file:
            file.write(body)
            file.flush()
            into, _, format_ = statement.decode().rpartition("FORMAT")
            return self._run(f"{into} FROM INFILE '{file.name}' FORMAT {format_}", parameters)

    def _set(self, settings: dict[str, str]) -> None:
        for name in self._settings.keys() - settings.keys():
            self._run(f"SET {name} = DEFAULT")
            del self._settings[name]
        for name, value in settings.items():
            if self._settings.get(name) != value:
                self._run("SET {} = '{}'".format(name, value.replace("'", "\\'")))
                self._settings[name] = value

    def _run(self, statement: str, parameters: dict[str, str] | None = None) -> bytes:
        result: bytes = self._connection.query(
            statement, "TabSeparated", params=parameters or {}
        ).bytes()
        return result


class Server:
    """Answers requests with a few sessions, each in a thread."""

    def __init__(self, path: str, user: str, password: str, version: str | None) -> None:
        self._sessions: queue.SimpleQueue[Session] = queue.SimpleQueue()
        for _ in range(CLIENTS):
            self._sessions.put(Session(path))
        self._threads = ThreadPoolExecutor(CLIENTS)
        self._authorization = _basic(user, password)
        self._version = version

    async def ping(self, request: Any) -> Any:
        from aiohttp import web

        return web.Response(text="Ok.\n")

    async def query(self, request: Any) -> Any:
        from aiohttp import web

        if not self._is_allowed(request):
            return _failure(
                "Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED)"
            )
        given, body = await _read(request)
        statement, rows = _split(given.get("query", "").encode(), body)
        if self._version:
            statement = statement.replace(b"version()", f"'{self._version}'".encode())
        try:
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self._threads, self._answer, statement, rows, given)
        except RuntimeError as error:
            return _failure(str(error))
        headers = {
            "X-ClickHouse-Query-Id": given.get("query_id", ""),
            "X-ClickHouse-Timezone": "UTC",
        }
        if not rows:
            headers["X-ClickHouse-Format"] = (
                "Native" if b"FORMAT Native" in statement else "TabSeparated"
            )
        if given.get("enable_http_compression") and "lz4" in request.headers.get(
            "Accept-Encoding", ""
        ):
            headers["Content-Encoding"] = "lz4"
            answer = lz4.frame.compress(answer)
        return web.Response(body=answer, headers=headers)

    def _answer(self, statement: bytes, rows: bytes, given: dict[str, str]) -> bytes:
        parameters = {
            n.removeprefix("param_"): v for n, v in given.items() if n.startswith("param_")
        }
        settings = {
            name: value
            for name, value in given.items()
            if name not in _NO_SETTINGS and not name.startswith("param_")
        }
        session = self._sessions.get()
        try:
            return session.answer(statement, rows, parameters, given.get("database"), settings)
        finally:
            self._sessions.put(session)

    def _is_allowed(self, request: Any) -> bool:
        return bool(
            request.headers.get("Authorization", _basic("default", "")) == self._authorization
        )


async def _read(request: Any) -> tuple[dict[str, str], bytes]:
    """The query string, with the fields of a form; and the body, decompressed."""
    given = dict(request.query)
    if request.content_type == "multipart/form-data":
        fields = await request.post()
        return given | {name: str(value) for name, value in fields.items()}, b""
    body = await request.read()
    if request.headers.get("Content-Encoding") == "lz4":
        body = b"".join(_decompressed(body))
    return given, body


def _decompressed(body: bytes) -> Iterator[bytes]:
    """A client compresses every block of rows by itself."""
    while body:
        frame = lz4.frame.LZ4FrameDecompressor()
        yield frame.decompress(body)
        body = frame.unused_data or b""


def _split(query: bytes, body: bytes) -> tuple[bytes, bytes]:
    """A statement, and the rows that follow it if it is an insert in a binary format."""
    if query and body and query.lstrip()[:6].upper() != b"INSERT":
        return query + b"\n" + body, b""
    if query:
        return query, body
    found = _INSERT.match(body)
    if found and found[1] != b"VALUES":
        return found[0].rstrip(), body[found.end() :]
    return body, b""


def _failure(message: str) -> Any:
    from aiohttp import web

    found = _CODE.search(message)
    code = int(found[1]) if found else 1002
    return web.Response(
        status=STATUS_OF_CODE.get(code, 500),
        text=message[found.start() :] if found else message,
        headers={"X-ClickHouse-Exception-Code": str(code)},
    )


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def main() -> None:
    from aiohttp import web

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", type=Path, required=True)
    parser.add_argument("--user", default="default")
    parser.add_argument("--password", default="")
    parser.add_argument("--version", default=None)
    parser.add_argument("--certificate", default=None)
    parser.add_argument("--key", default=None)
    given = parser.parse_args()
    given.path.mkdir(parents=True, exist_ok=True)
    server = Server(str(given.path), given.user, given.password, given.version)
    app = web.Application(
        client_max_size=BODY_BYTES_MAX, handler_args={"max_line_size": LINE_BYTES_MAX}
    )
    app.router.add_get("/ping", server.ping)
    app.router.add_route("*", "/", server.query)
    tls = None
    if given.certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(given.certificate, given.key)
    web.run_app(
        app, host="127.0.0.1", port=given.port, ssl_context=tls, print=None, access_log=None
    )


if __name__ == "__main__":
    main()
