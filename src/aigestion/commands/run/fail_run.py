"""Use case: a run ends without a reply, for a reason that is not a model's."""

from uuid import UUID

import msgspec

from aigestion.commands.run.state import INITIAL, Run, boundary, evolve
from aigestion.events.run import RunFailed
from aigestion.kernel.decider import UseCase


class FailRun(msgspec.Struct, frozen=True):
    failed: RunFailed

    @property
    def run_id(self) -> UUID:
        return self.failed.run_id


def decide(command: FailRun, state: Run) -> list[RunFailed]:
    """A call that is open must have its own end first."""
    return [command.failed] if state.status == "started" and state.open_call is None else []


fail_run = UseCase(FailRun, lambda command: boundary(command.run_id), INITIAL, evolve, decide)
