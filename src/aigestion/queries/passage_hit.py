"""A passage that was found, by its words or by its meaning."""

from uuid import UUID

import msgspec


class PassageHit(msgspec.Struct, frozen=True):
    """`score` orders the hits of one question; it compares with no other question's."""

    document_id: UUID
    n: int
    """The passage's index in its document, from 0."""
    title: str
    text: str
    score: float
