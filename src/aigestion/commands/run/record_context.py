"""Use case: a run notes what it found before it asks a model."""

from uuid import UUID

import msgspec

from aigestion.commands.run.state import INITIAL, Run, boundary, evolve
from aigestion.events.run import RetrievedPassage, RunContextRetrieved
from aigestion.kernel.decider import UseCase


class RecordContext(msgspec.Struct, frozen=True, kw_only=True):
    run_id: UUID
    turns: int
    passages: tuple[RetrievedPassage, ...]


def decide(command: RecordContext, state: Run) -> list[RunContextRetrieved]:
    if state.status != "started" or state.context_retrieved:
        return []
    return [
        RunContextRetrieved(run_id=command.run_id, turns=command.turns, passages=command.passages)
    ]


record_context = UseCase(
    RecordContext, lambda command: boundary(command.run_id), INITIAL, evolve, decide
)
