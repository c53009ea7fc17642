"""Use case: somebody stops a run. It is only asked for here; whoever works on the run ends it."""

from uuid import UUID

import msgspec

from aigestion.commands.run.state import INITIAL, Origin, Run, boundary, evolve
from aigestion.events.run import RunCancelRequested
from aigestion.kernel.decider import UseCase
from aigestion.kernel.errors import NotFound, RunHasEnded


class CancelRun(msgspec.Struct, frozen=True, kw_only=True):
    run_id: UUID
    heard: Origin | None = None
    """Where a run belongs that no agent has taken up yet: the log does not know it by its id."""


def decide(command: CancelRun, state: Run) -> list[RunCancelRequested]:
    origin = state.origin or command.heard
    if origin is None:
        raise NotFound("There is no such run.")
    if state.status in ("replied", "failed"):
        raise RunHasEnded("The run has ended; there is nothing left to stop.")
    if state.cancel_requested:
        return []
    return [
        RunCancelRequested(
            run_id=command.run_id, conversation_id=origin.conversation_id, agent=origin.agent
        )
    ]


cancel_run = UseCase(CancelRun, lambda command: boundary(command.run_id), INITIAL, evolve, decide)
