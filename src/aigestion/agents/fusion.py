"""Reciprocal rank fusion: one ranking out of several whose scores do not compare."""

from collections.abc import Hashable, Sequence
from typing import TypeVar

K = 60
"""The constant of Cormack, Clarke and Büttcher (2009): how slowly weight falls with rank."""

T = TypeVar("T", bound=Hashable)


def fused(rankings: Sequence[Sequence[T]]) -> list[tuple[T, float]]:
    """Each item once with its score, best first; equal scores in order of first appearance."""
    scores: dict[T, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(dict.fromkeys(ranking), start=1):
            scores[item] = scores.get(item, 0.0) + 1 / (K + rank)
    return sorted(scores.items(), key=lambda scored: -scored[1])
