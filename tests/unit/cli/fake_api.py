"""A small HTTP server that answers as a test says, for commands that talk to a running system."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from aigestion.embedded.pid_file import lock

EVENT_ID = "0199aa10-0000-7000-8000-0000000000aa"
RUN_ID = "0199aa10-0000-7000-8000-0000000000bb"
CONVERSATION = "0199aa10-0000-7000-8000-000000000001"


@dataclass
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class FakeApi:
    """Answers from `routes`; streams of one path are served in turn, one a connection."""

    url: str = ""
    routes: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    answering: dict[str, Callable[[str], tuple[int, Any]]] = field(default_factory=dict)
    """By path: what makes an answer from the whole of what was asked."""
    streams: list[list[str]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        length = int(request.headers.get("Content-Length") or 0)
        body = json.loads(request.rfile.read(length)) if length else None
        path = request.path.partition("?")[0]
        self.asked.append(Asked(request.command, request.path, dict(request.headers), body))
        if path.endswith("/stream"):
            _send(request, 200, "text/event-stream", "".join(self.streams.pop(0)))
            return
        if path in self.answering:
            status, content = self.answering[path](request.path)
        else:
            status, content = self.routes[request.command, path]
        if isinstance(content, list):  # NDJSON
            _send(request, status, "application/x-ndjson", "".join(map(_line, content)))
        else:
            _send(request, status, "application/json", json.dumps(content))

    def of(self, method: str, ending: str) -> list[Asked]:
        return [a for a in self.asked if a.method == method and a.path.endswith(ending)]


def talking(*streams: list[str]) -> Callable[[FakeApi], None]:
    """Routes of one conversation, whose stream brings these frames."""

    def prepare(api: FakeApi) -> None:
        interactions = f"/v1/conversations/{CONVERSATION}/interactions"
        started = {"conversation_id": CONVERSATION, "position": 5}
        api.routes["POST", "/v1/conversations"] = (201, started)
        api.routes["GET", f"/v1/conversations/{CONVERSATION}"] = (200, {"messages": []})
        api.routes["POST", interactions] = (202, {"event_id": EVENT_ID, "position": 6})
        api.streams = list(streams)

    return prepare


def recorded(position: int, event_type: str, **data: Any) -> str:
    """The frame of a recorded event."""
    data = {"in_reply_to": EVENT_ID, "run_id": RUN_ID, **data}
    event = {"position": position, "type": event_type, "data": data}
    return f"id: {position}\nevent: {event_type}\ndata: {json.dumps(event)}\n\n"


def delta(text: str, run_id: str = RUN_ID) -> str:
    """The frame of a piece of a reply."""
    return f"event: delta\ndata: {json.dumps({'run_id': run_id, 'text': text})}\n\n"


def replied(position: int, text: str, **more: Any) -> str:
    return recorded(position, "agent.replied", text=text, **{"citations": [], **more})


def failed(position: int) -> str:
    message = "The model did not answer."
    return recorded(position, "run.failed", reason="timeout", message=message)


@contextmanager
def fake_api(data_dir: Path, prepare: Callable[[FakeApi], None]) -> Iterator[FakeApi]:
    """Serve, and write a `connect.json` that leads there."""
    api = FakeApi()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            api.answer(self)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    prepare(api)
    write_connect(data_dir, api.url)
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def write_connect(data_dir: Path, url: str, *, running: bool = True) -> None:
    """What `aigestion up` writes; while it is running, it also holds the lock."""
    data_dir.mkdir(exist_ok=True)
    if running:
        assert lock(data_dir / "lock") is not None  # kept until this process ends
    doors = {
        "version": "0.1.0",
        "pid": os.getpid(),
        "http_url": url,
        "api_key": "aig_key",
        "operator_key": "aigop_key",
        "nats_url": "nats://127.0.0.1:4222",
        "nats_user": "reader",
        "nats_password": "p",
        "postgres_dsn": "postgresql://app:p@127.0.0.1:5432/aigestion",
        "tenant": "demo",
    }
    (data_dir / "connect.json").write_text(json.dumps(doors))


def _line(content: Any) -> str:
    return json.dumps(content) + "\n"


def _send(request: BaseHTTPRequestHandler, status: int, media_type: str, body: str) -> None:
    request.send_response(status)
    request.send_header("Content-Type", media_type)
    request.send_header("Aigestion-Position", "5")
    request.end_headers()
    request.wfile.write(body.encode())
