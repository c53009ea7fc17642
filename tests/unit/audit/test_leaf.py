"""The leaf of an event: pinned for ever, and different for whatever differs."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import msgspec
import pytest

from aigestion.audit.leaf import canonical, leaf_of
from aigestion.eventstore.port import NewEvent, SequencedEvent

EVENT = NewEvent(
    id=UUID("0199aa10-0000-7000-8000-0000000000aa"),
    type="user.chat",
    schema_version=1,
    tags=("demo/conversation:1", "demo/user:ana"),
    tenant="demo",
    actor="user:ana",
    correlation_id=UUID("0199aa10-0000-7000-8000-0000000000cc"),
    causation_id=None,
    occurred_at=datetime(2026, 5, 4, 12, 0, 0, 1, tzinfo=UTC),
    data='{"text":"¿Qué?"}'.encode(),
)
STORED = SequencedEvent(
    position=7, recorded_at=datetime(2026, 5, 4, 12, 0, 1, tzinfo=UTC), event=EVENT
)
PINNED = "3307fa57230a9dd81551b84a6a594b685e44fde115f8ec98f10ba132eb031637"


def changed(**fields: Any) -> SequencedEvent:
    return msgspec.structs.replace(STORED, event=msgspec.structs.replace(EVENT, **fields))


def test_a_leaf_is_the_same_for_ever() -> None:
    assert leaf_of(STORED).hex() == PINNED
    assert canonical(STORED).hex() == (
        "01" "0000000000000007" "000650fcab965240" "000650fcab871001"
        "0199aa100000700080000000000000aa" "0199aa100000700080000000000000cc"
        "00" "00000000000000000000000000000000" "00000001"
        "00000009" "00000004" "00000008" "00000012" "00000002"
        "757365722e63686174" "64656d6f" "757365723a616e61" "7b2274657874223a22c2bf5175c3a93f227d"
        "00000013" "64656d6f2f636f6e766572736174696f6e3a31" "0000000d" "64656d6f2f757365723a616e61"
    )  # fmt: skip


def test_the_zone_of_a_time_does_not_matter() -> None:
    elsewhere = EVENT.occurred_at.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert leaf_of(changed(occurred_at=elsewhere)) == leaf_of(STORED)


@pytest.mark.parametrize(
    "fields",
    [
        {"id": EVENT.correlation_id},
        {"type": "user.chats"},
        {"schema_version": 2},
        {"schema_version": -1},
        {"tags": ()},
        {"tags": EVENT.tags[::-1]},
        {"tags": ("demo/conversation:1demo/user:ana",)},
        {"tags": ("demo/conversation:1d", "emo/user:ana")},
        {"tags": (*EVENT.tags, "")},
        {"tenant": "demouser:ana", "actor": ""},
        {"type": "user.chatd", "tenant": "emo"},
        {"actor": "user:ana{", "data": EVENT.data[1:]},
        {"correlation_id": EVENT.id},
        {"causation_id": UUID(int=0)},
        {"causation_id": EVENT.id},
        {"occurred_at": EVENT.occurred_at + timedelta(microseconds=1)},
        {"occurred_at": datetime(1, 1, 1, tzinfo=UTC)},
        {"data": EVENT.data + b" "},
    ],
)
def test_whatever_differs_has_another_leaf(fields: dict[str, Any]) -> None:
    assert leaf_of(changed(**fields)) != leaf_of(STORED)


def test_the_place_is_part_of_it() -> None:
    assert leaf_of(msgspec.structs.replace(STORED, position=8)) != leaf_of(STORED)
    later = STORED.recorded_at + timedelta(microseconds=1)
    assert leaf_of(msgspec.structs.replace(STORED, recorded_at=later)) != leaf_of(STORED)
