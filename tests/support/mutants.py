"""The program with one safety rule taken out: a fork server for `aigestion.prove`, and for nothing else.

`python mutants.py NAME DESCRIPTOR`. The rule is replaced in this process before it forks the system's
processes, so that the product itself has no switch.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

# As a script its folder comes first, and has modules named like others.
sys.path.pop(0)

from aigestion.commands import dispatcher
from aigestion.eventstore import codec, sql
from aigestion.eventstore.append_group import AppendGroup, AppendRequest
from aigestion.kernel.ids import new_id
from aigestion.kernel.query import Query, matching
from aigestion.messaging import jetstream
from aigestion.messaging.subjects import STREAM
from aigestion.messaging.subscription import Subscription
from aigestion.projections.runner import Runner
from aigestion.prove import fork_server
from aigestion.readstores.postgres.store import PostgresReadStore

HEAD_LOCK = "PERFORM FROM log.turn FOR UPDATE;"


def expected_sequence() -> None:
    """The broker is not told which sequence a message must follow."""
    jetstream._following = lambda _: {"Nats-Expected-Stream": STREAM}


def gap_check() -> None:
    """Readers take what comes for what comes next.

    The watermark is out as well: it finds the same holes half a second later, and is found missing alone.
    """
    watermark()
    carefully = Subscription._take

    def take(self: Subscription, batch: Sequence[Any]) -> None:
        for message in batch:
            if self._tip is not None and message.position > self._tip:
                self._tip = message.position - 1
            carefully(self, [message])

    async def read(self: Subscription, after: int, limit: int = 500) -> list[Any]:
        await self._wait_beyond(after)
        return [one for one in self._recent if one.position > after][:limit]

    async def write(self: Runner, events: Sequence[Any]) -> None:
        await self._writer.write(events)
        self._announce()

    Subscription._take = take  # type: ignore[method-assign]
    Subscription.read = read  # type: ignore[method-assign]
    Runner._write = write  # type: ignore[method-assign]


def watermark() -> None:
    """Readers believe a broker that says nothing."""

    async def check_head(self: Subscription) -> bool:
        return False

    Subscription._check_head = check_head  # type: ignore[method-assign]


def own_checkpoint() -> None:
    """A reader that starts goes on at the end, as one does that leaves remembering to the broker."""
    honestly = PostgresReadStore.checkpoint

    async def checkpoint(self: PostgresReadStore, view: Any) -> int | None:
        if await honestly(self, view) is None:
            return None
        return int(await self._pool.fetchval("SELECT position FROM log.head"))

    PostgresReadStore.checkpoint = checkpoint  # type: ignore[method-assign]


def idempotency_tag() -> None:
    """Whether a request was done before is not asked."""

    def of_request(_request: Any, tenant: str) -> Query:
        return matching(f"request:{new_id().hex}").scoped(tenant)

    dispatcher._of_request = of_request


def append_condition() -> None:
    """Nothing is refused for what happened since it was decided; only requests are known again."""
    add = AppendGroup.add

    def unguarded(self: AppendGroup, request: AppendRequest) -> None:
        request.guard_rows = [
            row for row in request.guard_rows if any("/request:" in tag for tag in row[2])
        ]
        add(self, request)

    AppendGroup.add = unguarded  # type: ignore[method-assign]


def head_lock() -> None:
    """Appends do not wait for each other."""
    told = sql.migrations

    def migrations() -> list[tuple[int, str, str]]:
        scripts = told()
        assert any(HEAD_LOCK in script for *_, script in scripts)
        return [(n, name, script.replace(HEAD_LOCK, "")) for n, name, script in scripts]

    sql.migrations = migrations


def sealed_field_binding() -> None:
    """A sealed value opens wherever it stands."""
    codec._place = lambda *_: b""


MUTANTS: dict[str, Callable[[], None]] = {
    "expected-sequence": expected_sequence,
    "gap-check": gap_check,
    "watermark": watermark,
    "own-checkpoint": own_checkpoint,
    "idempotency-tag": idempotency_tag,
    "append-condition": append_condition,
    "head-lock": head_lock,
    "sealed-field-binding": sealed_field_binding,
}


def mutated(name: str) -> tuple[str, ...]:
    """The fork server with this rule taken out."""
    assert name in MUTANTS
    return (sys.executable, __file__, name)


if __name__ == "__main__":
    MUTANTS[sys.argv[1]]()
    fork_server.main(int(sys.argv[2]))
