"""An HTTP proxy before Elasticsearch that holds bulk requests and falsifies the outcome of single items."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

BODY_BYTES_MAX = 64 * 1024 * 1024
_REASONS = {400: "document_parsing_exception", 404: "index_not_found_exception"}


class BulkProxy:
    """What is falsified does not reach the server: as if it had refused it."""

    def __init__(self, url: str) -> None:
        self.url = ""
        self.paths: list[str] = []
        """Of all requests, in order."""
        self.bulks: list[list[str]] = []
        """The ids in each bulk request."""
        self.plan: list[Mapping[str, int]] = []
        """For each bulk request to come: the false status of items, by id."""
        self.always: Mapping[str, int] = {}
        """For all those that follow."""
        self.bytes_max = BODY_BYTES_MAX
        """Of a bulk request: larger ones are refused."""
        self.passing = asyncio.Event()
        """Clear it to hold bulk requests."""
        self.passing.set()
        credential, _, self._address = url.removeprefix("http://").rpartition("@")
        user, _, password = credential.partition(":")
        self._lost = False
        self._authorization = aiohttp.encode_basic_auth(user, password)

    async def handle(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        if self._lost and request.transport is not None:
            request.transport.abort()
            return web.Response()
        body = await request.read()
        if not request.path.endswith("/_bulk"):
            return await self._forward(request, body)
        lines = body.split(b"\n")[:-1]
        items = [lines[n : n + 2] for n in range(0, len(lines), 2)]
        ids = [json.loads(head)["index"]["_id"] for head, _ in items]
        self.bulks.append(ids)
        if len(body) > self.bytes_max:
            return web.Response(status=413, text="Too large")
        false = self.plan.pop(0) if self.plan else self.always
        await self.passing.wait()
        kept = [
            line for id_, item in zip(ids, items, strict=True) if id_ not in false for line in item
        ]
        outcomes: list[Any] = []
        if kept:
            answer = await self._forward(request, b"\n".join(kept) + b"\n")
            outcomes = json.loads(answer.body or b"")["items"]  # type: ignore[arg-type]
        true = iter(outcomes)
        merged = [_false(false[id_]) if id_ in false else next(true) for id_ in ids]
        return web.json_response({"items": merged}, headers={"X-Elastic-Product": "Elasticsearch"})

    def lose_the_server(self, lost: bool) -> None:
        """Whether connections are cut instead of passed on."""
        self._lost = lost

    async def _forward(self, request: web.Request, body: bytes) -> web.Response:
        kept = ("accept", "content-type")
        headers = {name: request.headers[name] for name in kept if name in request.headers}
        headers["authorization"] = self._authorization
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method,
                f"http://{self._address}{request.path_qs}",
                data=body,
                headers=headers,
            ) as answer,
        ):
            passed = {
                name: answer.headers[name]
                for name in ("content-type", "x-elastic-product")
                if name in answer.headers
            }
            return web.Response(status=answer.status, body=await answer.read(), headers=passed)


def _false(status: int) -> dict[str, Any]:
    error = {"type": _REASONS.get(status, "es_rejected_execution_exception"), "reason": "because"}
    return {"index": {"status": status, "error": error}}


@asynccontextmanager
async def bulk_proxy(url: str) -> AsyncIterator[BulkProxy]:
    """A proxy before the server with this URL; its own URL needs no credential."""
    proxy = BulkProxy(url)
    async with answering_with(proxy.handle) as proxy.url:
        yield proxy


@asynccontextmanager
async def answering_with(handle: Any) -> AsyncIterator[str]:
    """A local HTTP server that answers everything this way; its URL."""
    application = web.Application(client_max_size=BODY_BYTES_MAX)
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
