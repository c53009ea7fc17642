"""A use case: what it reads, how that folds into a state, and the decision taken on it (law 5)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from aigestion.kernel.query import Query

C = TypeVar("C")
S = TypeVar("S")


@dataclass(frozen=True)
class UseCase(Generic[C, S]):
    """One command and everything needed to decide on it. All callables are pure and synchronous."""

    command: type[C]
    reads: Callable[[C], Query]
    """The consistency boundary, in tags without tenant: only its events can change the decision."""
    initial: S
    evolve: Callable[[S, Any], S]
    decide: Callable[[C, S], Sequence[Any]]
    """Events to append; empty for "nothing new"; raises `Refused` or `NotFound`."""
