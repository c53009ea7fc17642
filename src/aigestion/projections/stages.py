"""What is told of long work on a view: how far it is, and in which stage."""

from collections.abc import Callable
from typing import Literal, TypeAlias

Stage: TypeAlias = Literal["filling", "comparing", "catching up", "redriving"]
OnProgress: TypeAlias = Callable[[int, int, Stage], None]
"""Called with (position, head, stage) after every batch; `comparing` begins at 0 again.

Of a redrive it is (events applied, events asked for, stage)."""


def nobody(_position: int, _head: int, _stage: Stage) -> None:
    """Nobody wants to know how far it is."""
