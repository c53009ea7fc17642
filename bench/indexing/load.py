"""What is indexed: changes as the projection `search` makes them, and the documents they come to."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from aigestion.readstores.elasticsearch.collections import collections_of
from aigestion.readstores.port import Change, DeleteWhere, Put

PASSAGES_IN_DOCUMENT = 8
_TEXT = """
the ferry leaves harbour at nine and every position in log is dense when there are no holes una posición es
densa cuando el registro no tiene huecos y el barco sale del puerto mañana invoice customer payment refund
order delivery address question answer agent budget limit"""
WORDS = _TEXT.split()
MESSAGE_WORDS, PASSAGE_WORDS = 40, 150
BEGINNING = datetime(2026, 5, 1, tzinfo=UTC)
CASES = {
    "messages": "messages of 40 words",
    "documents": f"documents of {PASSAGES_IN_DOCUMENT} passages of 150 words, each deleted by value first",
}


@dataclass(frozen=True)
class Load:
    """The same rows, for either side."""

    collection: str
    changes: Sequence[Sequence[Change]]
    """Of each event."""
    documents: Sequence[tuple[str, int, dict[str, Any]]]
    """Id, position, fields: ready to be sent."""


def load(case: str, rows: int) -> Load:
    chance = random.Random(7)
    if case == "messages":
        changes: list[list[Change]] = [[_message(chance, n)] for n in range(1, rows + 1)]
    else:
        events = range(1, rows // PASSAGES_IN_DOCUMENT + 1)
        changes = [_document(chance, n) for n in events]
    collection = "messages" if case == "messages" else "passages"
    made = collections_of("search")[collection]
    documents = [
        (change.key, position, msgspec.json.decode(made.document(change)))
        for position, of_event in enumerate(changes, 1)
        for change in of_event
        if isinstance(change, Put)
    ]
    return Load(collection, changes, documents)


def _message(chance: random.Random, position: int) -> Put:
    fields = {
        "tenant": "demo",
        "conversation_id": str(UUID(int=position // 20)),
        "text": _text(chance, MESSAGE_WORDS),
        "occurred_at": BEGINNING + timedelta(seconds=position),
        "position": position,
    }
    return Put("messages", str(UUID(int=position)), fields)


def _document(chance: random.Random, position: int) -> list[Change]:
    document_id = str(UUID(int=position))
    key = f"demo/{document_id}"
    changes: list[Change] = [DeleteWhere("passages", "document_key", key)]
    for n in range(PASSAGES_IN_DOCUMENT):
        fields = {
            "tenant": "demo",
            "document_key": key,
            "document_id": document_id,
            "n": n,
            "title": "The ferry's timetable",
            "text": _text(chance, PASSAGE_WORDS),
            "occurred_at": BEGINNING + timedelta(seconds=position),
            "position": position,
        }
        changes.append(Put("passages", f"{key}/{n}", fields))
    return changes


def _text(chance: random.Random, words: int) -> str:
    return " ".join(chance.choices(WORDS, k=words))
