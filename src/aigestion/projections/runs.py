"""The read model `runs`: what was heard, and how far the agents got with it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from aigestion.events.conversation import AgentReplied, UserChat, UserVoice
from aigestion.events.recorded import Recorded
from aigestion.events.run import (
    ModelCompleted,
    ModelFailed,
    ModelRequested,
    RunContextRetrieved,
    RunFailed,
    RunStarted,
)
from aigestion.kernel.ids import derived_id
from aigestion.projections.keys import key_of
from aigestion.projections.projection import Projection
from aigestion.readstores.port import Change, Put


def project(recorded: Recorded[Any]) -> Sequence[Change]:
    """A row a run, from the moment there is something to react to."""
    event = recorded.data
    match event:
        case UserChat() | UserVoice():
            run_id = derived_id(recorded.id, event.agent)
            heard = {"state": "heard", "event_position": recorded.position}
            return [_put(recorded, run_id, _origin(recorded, event, recorded.id) | heard)]
        case RunStarted():
            origin = _origin(recorded, event, event.in_reply_to)
            return [_put(recorded, event.run_id, origin | {"state": "started"})]
        case RunContextRetrieved() | ModelRequested() | ModelCompleted() | ModelFailed():
            return [_put(recorded, event.run_id, {})]
        case AgentReplied():
            return [_put(recorded, event.run_id, {"state": "replied"})]
        case RunFailed():
            return [_put(recorded, event.run_id, {"state": "failed"})]
        case _:
            return []


def _put(recorded: Recorded[Any], run_id: UUID, fields: dict[str, Any]) -> Put:
    """`touched_at` is when the log had it: a clock that all events share."""
    touched = {"touched_at": recorded.recorded_at, "position": recorded.position}
    return Put("runs", str(run_id), fields | touched)


def _key(recorded: Recorded[Any]) -> str:
    """The run: some of its events name no conversation."""
    event = recorded.data
    heard = isinstance(event, UserChat | UserVoice)
    run_id = derived_id(recorded.id, event.agent) if heard else event.run_id
    return key_of(recorded.tenant, "run", run_id)


def _origin(
    recorded: Recorded[Any], event: UserChat | UserVoice | RunStarted, in_reply_to: UUID
) -> dict[str, Any]:
    return {
        "tenant": recorded.tenant,
        "conversation_id": str(event.conversation_id),
        "agent": event.agent,
        "in_reply_to": str(in_reply_to),
    }


runs = Projection(
    name="runs",
    version=1,
    store="lists",
    collections=("runs",),
    reads=(
        UserChat,
        UserVoice,
        RunStarted,
        RunContextRetrieved,
        ModelRequested,
        ModelCompleted,
        ModelFailed,
        AgentReplied,
        RunFailed,
    ),
    key=_key,
    project=project,
)
