"""What the rules of a run read: how far it got, whether a model call is open, whether to stop."""

from typing import Literal
from uuid import UUID

import msgspec

from aigestion.events.conversation import AgentReplied
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
from aigestion.kernel.query import Query, matching

RunEvent = (
    RunStarted | RunContextRetrieved | ModelRequested | ModelCompleted | ModelFailed
    | AgentReplied | RunFailed | RunCancelRequested | RunCancelled
)  # fmt: skip


class Origin(msgspec.Struct, frozen=True):
    """Where a run belongs."""

    conversation_id: UUID
    agent: str


class OpenCall(msgspec.Struct, frozen=True):
    """A model call that was requested and has no recorded end."""

    call_id: UUID
    provider: str
    model: str


class Run(msgspec.Struct, frozen=True):
    status: Literal["absent", "started", "replied", "failed", "cancelled"] = "absent"
    origin: Origin | None = None
    context_retrieved: bool = False
    attempts: int = 0
    open_call: OpenCall | None = None
    cancel_requested: bool = False

    @property
    def ended(self) -> bool:
        return self.status in ("replied", "failed", "cancelled")


INITIAL = Run()


def boundary(run_id: UUID) -> Query:
    return matching(f"run:{run_id}")


def evolve(state: Run, event: RunEvent) -> Run:
    change = msgspec.structs.replace
    match event:
        case RunStarted():
            return change(
                state, status="started", origin=Origin(event.conversation_id, event.agent)
            )
        case RunContextRetrieved():
            return change(state, context_retrieved=True)
        case ModelRequested():
            call = OpenCall(event.call_id, event.provider, event.model)
            return change(state, attempts=event.attempt, open_call=call)
        case ModelCompleted() | ModelFailed():
            return change(state, open_call=None)
        case AgentReplied():
            return change(state, status="replied")
        case RunFailed():
            return change(state, status="failed")
        case RunCancelRequested():
            origin = Origin(event.conversation_id, event.agent)
            return change(state, origin=origin, cancel_requested=True)
        case RunCancelled():
            return change(state, status="cancelled")
