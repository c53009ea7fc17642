"""What the client's answers are made of: what it does not know it leaves out, so a newer server does no harm."""

from datetime import datetime
from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event of the log, opened."""

    position: int
    """Dense over all tenants: 1, 2, 3… in the order of commits."""
    id: str
    type: str
    """`user.chat`, `agent.replied`…"""
    actor: str
    occurred_at: datetime
    data: dict[str, Any]
    """As the AsyncAPI document describes the type."""
    tags: list[str]
    correlation_id: str
    causation_id: str | None = None
    erased: list[str] = []
    """Personal fields of `data` whose subject was erased."""


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A message or a passage of a document in which the words were found."""

    kind: str
    id: str
    highlight: str
    """HTML: the matches in `<mark>`, everything else escaped."""
    score: float
    position: int
    occurred_at: datetime
    title: str | None = None
    conversation_id: str | None = None
    document_id: str | None = None
    passage: int | None = None
