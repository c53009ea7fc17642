"""Bulk requests: within bounds, every item's outcome looked at, only what was put off sent again."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from aigestion.kernel.errors import ChangeRejected, Unavailable
from aigestion.readstores.elasticsearch.answering import (
    ENGINE,
    MAY_PASS,
    NoSuchIndex,
    answering,
    reason_of,
)

if TYPE_CHECKING:
    from elasticsearch import AsyncElasticsearch

REQUEST_BYTES_MAX = 8 * 1024 * 1024
REQUEST_ITEMS_MAX = 1_000
REQUESTS_AT_ONCE_MAX = 2
"""While one is being answered, the next is put together."""
TIMEOUT_SECONDS = 60.0
TRIES_MAX = 6
PAUSE_SECONDS_MIN = 0.1
PAUSE_SECONDS_MAX = 2.0
"""Put off for five seconds in all; then the caller hears of it, who tries for ever."""

_ALREADY_THERE, _TOO_LARGE = 409, 413
_OUTCOMES = ["items.*.status", "items.*.error.type", "items.*.error.reason"]
_key = msgspec.json.Encoder()

VersionType = Literal["external", "external_gte"]


class Item(msgspec.Struct, frozen=True):
    """A document to write if none of this version or a later one is there; None: to remove it."""

    key: str
    version: int
    document: bytes | None
    version_type: VersionType = "external"
    """`external_gte` also replaces one of the same version."""

    def lines(self) -> bytes:
        action = b"delete" if self.document is None else b"index"
        head = b'{"%b":{"_id":%b,"version":%d,"version_type":"%b"}}\n' % (
            action, _key.encode(self.key), self.version, self.version_type.encode(),
        )  # fmt: skip
        return head if self.document is None else head + self.document + b"\n"


async def write(client: "AsyncElasticsearch", index: str, items: Sequence[Item]) -> bool:
    """Write all; whether none of them was there already, in this version or a later one.

    Raises `ChangeRejected` for a document that is never taken, `NoSuchIndex`, `Unavailable` for what
    was put off too often. Others may have been written then; to write them again changes nothing.
    """
    parts = _parts(items)

    async def some() -> bool:
        return all([await _write(client, index, part) for part in parts])

    try:
        async with asyncio.TaskGroup() as tasks:
            all_new = [tasks.create_task(some()) for _ in range(REQUESTS_AT_ONCE_MAX)]
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return all(task.result() for task in all_new)


async def _write(client: "AsyncElasticsearch", index: str, lines: list[bytes]) -> bool:
    """Send items, and those again that were put off."""
    all_new, pause = True, PAUSE_SECONDS_MIN
    for _ in range(TRIES_MAX - 1):
        outcomes = await _outcomes(client, index, lines)
        all_new &= all(outcome["status"] != _ALREADY_THERE for outcome in outcomes)
        lines = _put_off(lines, outcomes)
        if not lines:
            return all_new
        await asyncio.sleep(pause)
        pause = min(2 * pause, PAUSE_SECONDS_MAX)
    outcomes = await _outcomes(client, index, lines)
    if _put_off(lines, outcomes):
        what = f"Elasticsearch cannot take {len(lines)} documents now ({_reason(outcomes[0])})."
        raise Unavailable(what, engine=ENGINE)
    return all_new


async def _outcomes(
    client: "AsyncElasticsearch", index: str, lines: list[bytes]
) -> list[Mapping[str, Any]]:
    """What became of each item; all must have been answered for."""
    from elasticsearch import ApiError

    operations: Any = lines  # as bytes they travel as they are
    try:
        with answering():
            answer = await client.options(request_timeout=TIMEOUT_SECONDS).bulk(
                index=index, operations=operations, filter_path=_OUTCOMES
            )
    except ApiError as error:
        if error.meta.status != _TOO_LARGE:
            raise
        if len(lines) == 1:
            raise ChangeRejected("Elasticsearch does not take a row: it is too large.") from error
        # Something on the way takes less at a time than Elasticsearch does.
        half = len(lines) // 2
        return [
            *await _outcomes(client, index, lines[:half]),
            *await _outcomes(client, index, lines[half:]),
        ]
    outcomes = [outcome for item in answer.body["items"] for outcome in item.values()]
    if len(outcomes) != len(lines):
        what = f"Elasticsearch answered for {len(outcomes)} documents of {len(lines)}."
        raise Unavailable(what, engine=ENGINE)
    return outcomes


def _put_off(lines: list[bytes], outcomes: list[Mapping[str, Any]]) -> list[bytes]:
    """The items to send again. Raises for those that will never be taken."""
    again = []
    for line, outcome in zip(lines, outcomes, strict=True):
        status = outcome["status"]
        if status < 300 or status == _ALREADY_THERE or (status == 404 and "error" not in outcome):
            continue
        if status in MAY_PASS:
            again.append(line)
        elif status == 404:
            raise NoSuchIndex(_reason(outcome))
        elif status in (400, _TOO_LARGE):
            raise ChangeRejected(f"Elasticsearch does not take a row: {_reason(outcome)}")
        else:
            what = f"Elasticsearch does not take a row now ({status}: {_reason(outcome)})."
            raise Unavailable(what, engine=ENGINE)
    return again


def _reason(outcome: Mapping[str, Any]) -> str:
    return reason_of(outcome.get("error", outcome))


def _parts(items: Sequence[Item]) -> Iterator[list[bytes]]:
    """The items, at most so many and so many bytes at a time; one alone may be larger."""
    part: list[bytes] = []
    size = 0
    for item in items:
        lines = item.lines()
        if part and (size + len(lines) > REQUEST_BYTES_MAX or len(part) == REQUEST_ITEMS_MAX):
            yield part
            part, size = [], 0
        part.append(lines)
        size += len(lines)
    if part:
        yield part
