"""Use case: a run that somebody stopped is over, and the model call it had open with it."""

from uuid import UUID

import msgspec

from aigestion.commands.run.state import INITIAL, Run, boundary, evolve
from aigestion.events.run import ModelFailed, RunCancelled
from aigestion.kernel.decider import UseCase


class EndCancelledRun(msgspec.Struct, frozen=True):
    cancelled: RunCancelled
    failed: ModelFailed | None = None
    """The end of the open call, with what was said until then."""

    @property
    def run_id(self) -> UUID:
        return self.cancelled.run_id


def decide(command: EndCancelledRun, state: Run) -> list[ModelFailed | RunCancelled]:
    """An open call of which this command does not know is somebody else's, who will end the run."""
    if state.status != "started" or not state.cancel_requested:
        return []
    if state.open_call is None:
        return [command.cancelled]
    if command.failed is None or command.failed.call_id != state.open_call.call_id:
        return []
    return [command.failed, command.cancelled]


end_cancelled_run = UseCase(
    EndCancelledRun, lambda command: boundary(command.run_id), INITIAL, evolve, decide
)
