"""A long log of conversations, written straight into its tables: sealed by the real codec, a COPY at a time."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import asyncpg

from aigestion.events.conversation import AgentReplied, ConversationStarted, UserChat
from aigestion.events.event import Event
from aigestion.events.knowledge import DocumentAdded
from aigestion.events.run import ModelCompleted, ModelRequested, RunContextRetrieved, RunStarted
from aigestion.eventstore.codec import Codec
from aigestion.kernel.context import Context
from aigestion.kernel.ids import new_id

COPIED_AT_ONCE_MAX = 10_000
TURNS = 10
USERS = 2_000
CONVERSATIONS_PER_DOCUMENT = 20
WORDS_MAX = 20_000
SYLLABLES = (
    *("ba", "ce", "di", "fo", "gu", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "xo", "zu"),
    *("pre", "tri", "ción", "ñe", "ing", "ed", "est", "ment"),
)
BEGINNING = datetime(2026, 5, 1, tzinfo=UTC)
COLUMNS = (
    "position", "occurred_at", "recorded_at", "id", "correlation_id", "causation_id",
    "schema_version", "type", "tenant", "actor", "tags", "data",
)  # fmt: skip
_TAGS = """
INSERT INTO log.tags (tag_hash, position)
SELECT log.tag_hash(tag), position FROM log.events, unnest(tags) AS tag
"""


async def write_log(owner: "asyncpg.Connection[Any]", codec: Codec, count: int) -> None:
    """Write exactly `count` events; the log must be empty."""
    chance = random.Random(7)
    rows: list[tuple[Any, ...]] = []
    for position, (event_id, event) in enumerate(_events(chance, count), 1):
        rows.append(await _row(codec, position, event_id, event))
        if len(rows) == COPIED_AT_ONCE_MAX or position == count:
            await owner.copy_records_to_table(
                "events", schema_name="log", columns=COLUMNS, records=rows
            )
            rows = []
    await owner.execute(_TAGS)
    await owner.execute("VACUUM ANALYZE log.events")


async def _row(codec: Codec, position: int, event_id: UUID, event: Event) -> tuple[Any, ...]:
    at = BEGINNING + timedelta(seconds=position)
    new = await codec.seal(
        event, Context(tenant="demo", actor="user:ana"), event_id=event_id, occurred_at=at
    )
    return (
        position, at, at, new.id, new.correlation_id, new.causation_id,
        new.schema_version, new.type, new.tenant, new.actor, list(new.tags), new.data,
    )  # fmt: skip


def _events(chance: random.Random, count: int) -> Iterator[tuple[UUID, Event]]:
    made = 0
    conversations = 0
    while True:
        conversations += 1
        for event in _conversation(
            chance, documents=conversations % CONVERSATIONS_PER_DOCUMENT == 0
        ):
            if made == count:
                return
            made += 1
            yield event


def _conversation(chance: random.Random, *, documents: bool) -> Iterator[tuple[UUID, Event]]:
    """Six events a turn, as a run with the builtin model records them."""
    whose: dict[str, Any] = {
        "conversation_id": new_id(),
        "user_id": f"user{chance.randrange(USERS)}",
        "agent": "assistant",
    }
    in_it = {name: whose[name] for name in ("conversation_id", "agent")}
    if documents:
        yield new_id(), DocumentAdded(
            document_id=new_id(), title=_text(chance, 5), media_type="text/plain",
            source="handbook", content_hash="0" * 32, text=_text(chance, 600),
        )  # fmt: skip
    yield new_id(), ConversationStarted(**whose, title=None)
    for _ in range(TURNS):
        asked, run, call = new_id(), new_id(), new_id()
        yield asked, UserChat(**whose, text=_text(chance, 20))
        yield new_id(), RunStarted(**in_it, run_id=run, in_reply_to=asked)
        yield new_id(), RunContextRetrieved(run_id=run, turns=3, passages=())
        yield new_id(), ModelRequested(
            run_id=run, call_id=call, attempt=1, provider="builtin", model="builtin",
            parameters={"max_output_tokens": 400},
            manifest=tuple(f"user:message:{n:032x}" for n in range(8)),
        )  # fmt: skip
        yield new_id(), AgentReplied(**whose, run_id=run, in_reply_to=asked, text=_text(chance, 40))
        yield new_id(), ModelCompleted(
            **in_it, run_id=run, call_id=call, provider="builtin", requested_model="builtin",
            returned_model="builtin", finish_reason="stop", usage={"in": 300, "out": 60},
            input_tokens=300, output_tokens=60, requested_at=BEGINNING, first_token_seconds=0.2,
            duration_seconds=0.8, output_hash="0" * 32,
        )  # fmt: skip


def _text(chance: random.Random, words: int) -> str:
    """A few words come often, most of them rarely, as in any language."""
    return " ".join(_word(int(WORDS_MAX * chance.random() ** 3)) for _ in range(words)) + "."


@cache
def _word(number: int) -> str:
    return "".join(random.Random(number).choices(SYLLABLES, k=2 + number % 3))
