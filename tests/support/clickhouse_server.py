"""A small ClickHouse server for tests: the HTTP protocol over a real engine (chDB) in a process of its own.

`python -m tests.support.clickhouse_server --port N --path DIR` runs one; `ClickHouseProcess` does that
for a test. It speaks what `clickhouse_connect` uses: statements and inserts in the body, parameters and settings
in the query string, compression, basic auth, errors with their code in a header. One difference: an answer
is complete before its first byte is sent.
"""

import argparse
import asyncio
import base64
import os
import queue
import re
import signal
import ssl
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import chdb
import lz4.frame
from aiohttp import web

CLIENTS = 4
BODY_BYTES_MAX = 1 << 30
LINE_BYTES_MAX = 1 << 20
STATUS_OF_CODE = {60: 404, 81: 404, 202: 503, 209: 503, 516: 403}

_NO_SETTINGS = {
    *("query", "database", "user", "password", "session_id", "query_id", "quota_key", "compress"),
    *("decompress", "wait_end_of_query", "client_protocol_version", "enable_http_compression"),
    *("send_progress_in_http_headers", "http_headers_progress_interval_ms", "default_format"),
}
_INSERT = re.compile(rb"\s*INSERT\s+INTO\s.*?\bFORMAT\s+(\w+)\s*?\n", re.IGNORECASE | re.DOTALL)
_CODE = re.compile(r"Code: (\d+)")


class Session:
    """One connection to the engine, used by one thread at a time; settings stay until they change."""

    def __init__(self, path: str) -> None:
        self._connection = chdb.connect(path)
        self._settings: dict[str, str] = {}
        self._database = "default"

    def answer(
        self,
        statement: bytes,
        body: bytes,
        parameters: dict[str, str],
        database: str | None,
        settings: dict[str, str],
    ) -> bytes:
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
            if "input(" in into:
                from_file = f"file('{file.name}', '{format_.strip()}', "
                return self._run(into.replace("input(", from_file), parameters)
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

    async def ping(self, request: web.Request) -> web.Response:
        return web.Response(text="Ok.\n")

    async def query(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != self._authorization:
            return _failure("Code: 516. DB::Exception: Who is that? (AUTHENTICATION_FAILED)")
        given, body = await _read(request)
        statement, rows = _split(given.get("query", "").encode(), body)
        if self._version:
            statement = statement.replace(b"version()", f"'{self._version}'".encode())
        try:
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self._threads, self._answer, statement, rows, given)
        except RuntimeError as error:
            return _failure(str(error))
        headers = {"X-ClickHouse-Query-Id": given.get("query_id", "")}
        headers["X-ClickHouse-Timezone"] = "UTC"
        if not rows:
            is_native = b"FORMAT Native" in statement
            headers["X-ClickHouse-Format"] = "Native" if is_native else "TabSeparated"
        if "enable_http_compression" in given and "lz4" in request.headers["Accept-Encoding"]:
            headers["Content-Encoding"] = "lz4"
            answer = lz4.frame.compress(answer)
        return web.Response(body=answer, headers=headers)

    def _answer(self, statement: bytes, rows: bytes, given: dict[str, str]) -> bytes:
        parameters = {
            name.removeprefix("param_"): value
            for name, value in given.items()
            if name.startswith("param_")
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


async def _read(request: web.Request) -> tuple[dict[str, str], bytes]:
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


def _failure(message: str) -> web.Response:
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", type=Path, required=True)
    parser.add_argument("--user", default="default")
    parser.add_argument("--password", default="")
    parser.add_argument("--version", default=None)
    parser.add_argument("--certificate", default=None)
    parser.add_argument("--key", default=None)
    parser.add_argument("--until-eof", action="store_true", help="end with the standard input")
    given = parser.parse_args()
    given.path.mkdir(parents=True, exist_ok=True)
    server = Server(str(given.path), given.user, given.password, given.version)
    app = web.Application(
        client_max_size=BODY_BYTES_MAX, handler_args={"max_line_size": LINE_BYTES_MAX}
    )
    app.router.add_get("/ping", server.ping)
    app.router.add_route("*", "/", server.query)
    if given.until_eof:
        threading.Thread(target=_end_with_input, daemon=True).start()
    tls = None
    if given.certificate:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(given.certificate, given.key)
    web.run_app(
        app, host="127.0.0.1", port=given.port, ssl_context=tls, print=None, access_log=None
    )


def _end_with_input() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
