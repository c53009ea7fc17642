"""How far a run got, read from the log: where a reaction goes on after a crash."""

from typing import Any
from uuid import UUID

import msgspec

from aigestion.events.conversation import AgentReplied
from aigestion.events.recorded import Recorded
from aigestion.events.run import (
    ModelCompleted,
    ModelFailed,
    ModelRequested,
    RunCancelled,
    RunCancelRequested,
    RunContextRetrieved,
    RunFailed,
    RunStarted,
)
from aigestion.eventstore.reader import LogReader
from aigestion.kernel.query import matching


class RunProgress(msgspec.Struct, frozen=True):
    """What is recorded of a run."""

    started: bool = False
    context: Recorded[RunContextRetrieved] | None = None
    attempts: int = 0
    open_call: Recorded[ModelRequested] | None = None
    """A model call without a recorded end."""
    cancel_requested: bool = False
    ended: bool = False


async def progress_of(reader: LogReader, tenant: str, run_id: UUID) -> RunProgress:
    """Fold what the log has of the run. One never heard of has not started."""
    progress = RunProgress()
    for recorded in await reader.read(matching(f"run:{run_id}").scoped(tenant)):
        progress = _evolved(progress, recorded)
    return progress


def _evolved(progress: RunProgress, recorded: Recorded[Any]) -> RunProgress:
    change = msgspec.structs.replace
    match recorded.data:
        case RunStarted():
            return change(progress, started=True)
        case RunContextRetrieved():
            return change(progress, context=recorded)
        case ModelRequested(attempt=attempt):
            return change(progress, attempts=attempt, open_call=recorded)
        case ModelCompleted() | ModelFailed():
            return change(progress, open_call=None)
        case RunCancelRequested():
            return change(progress, cancel_requested=True)
        case AgentReplied() | RunFailed() | RunCancelled():
            return change(progress, ended=True)
        case _:
            return progress
