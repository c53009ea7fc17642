"""Use case: a model call failed, or its end is unknown; the run may end with it."""

from uuid import UUID

import msgspec

from aigestion.commands.run.state import INITIAL, Run, boundary, evolve
from aigestion.events.run import ModelFailed, RunFailed
from aigestion.kernel.decider import UseCase


class FailModelCall(msgspec.Struct, frozen=True):
    failed: ModelFailed
    run_failed: RunFailed | None = None
    """Set when no further attempt is to be made: the run ends in the same append."""

    @property
    def run_id(self) -> UUID:
        return self.failed.run_id


def decide(command: FailModelCall, state: Run) -> list[ModelFailed | RunFailed]:
    if state.open_call is None or state.open_call.call_id != command.failed.call_id:
        return []
    return [command.failed, command.run_failed] if command.run_failed else [command.failed]


fail_model_call = UseCase(
    FailModelCall, lambda command: boundary(command.run_id), INITIAL, evolve, decide
)
