"""The read model `runs`: what was heard, what the agents did with it step by step, and how far they got."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from aigestion.events.conversation import AgentReplied, UserAskedAgain, UserChat, UserVoice
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
from aigestion.kernel.ids import derived_id
from aigestion.projections.keys import key_of
from aigestion.projections.projection import Projection
from aigestion.projections.text import storable, storable_json
from aigestion.projections.tokens import tokens_of
from aigestion.readstores.port import Change, Put


def project(recorded: Recorded[Any]) -> Sequence[Change]:
    """A row a run, from the moment there is something to react to, and a row a model call."""
    event = recorded.data
    match event:
        case UserChat() | UserVoice():
            return [_heard(recorded, event, recorded.id)]
        case UserAskedAgain():
            return [_heard(recorded, event, event.event_id)]
        case RunStarted():
            started = {
                "state": "started",
                "started_at": recorded.occurred_at,
                "started_position": recorded.position,
            }
            origin = _origin(recorded, event, event.in_reply_to)
            return [_run(recorded, event.run_id, origin | started)]
        case RunContextRetrieved():
            return [_run(recorded, event.run_id, _retrieved(recorded, event))]
        case ModelRequested():
            return [_run(recorded, event.run_id, {}), _requested(recorded, event)]
        case ModelCompleted() | ModelFailed():
            return [_run(recorded, event.run_id, {}), _ended(recorded, event)]
        case AgentReplied():
            ended = {"state": "replied", "ended_at": recorded.occurred_at}
            return [_run(recorded, event.run_id, ended)]
        case RunFailed():
            failed = {
                "state": "failed",
                "ended_at": recorded.occurred_at,
                "reason": event.reason,
                "notice": storable(event.message),
            }
            return [_run(recorded, event.run_id, failed)]
        case RunCancelRequested():
            asked = {"cancel_requested_at": recorded.occurred_at}
            return [_run(recorded, event.run_id, asked)]
        case RunCancelled():
            cancelled = {"state": "cancelled", "ended_at": recorded.occurred_at}
            return [_run(recorded, event.run_id, cancelled)]
        case _:
            return []


def _heard(
    recorded: Recorded[Any], event: UserChat | UserVoice | UserAskedAgain, message_id: UUID
) -> Put:
    heard = {
        "state": "heard",
        "heard_at": recorded.occurred_at,
        "event_position": recorded.position,
    }
    run_id = derived_id(recorded.id, event.agent)
    return _run(recorded, run_id, _origin(recorded, event, message_id) | heard)


def _run(recorded: Recorded[Any], run_id: UUID, fields: dict[str, Any]) -> Put:
    """`touched_at` is when the log had it: a clock that all events share."""
    touched = {"touched_at": recorded.recorded_at, "position": recorded.position}
    return Put("runs", str(run_id), fields | touched)


def _retrieved(recorded: Recorded[Any], event: RunContextRetrieved) -> dict[str, Any]:
    return {
        "retrieved_at": recorded.occurred_at,
        "turns": event.turns,
        "passages": [msgspec.to_builtins(passage) for passage in event.passages],
    }


def _requested(recorded: Recorded[Any], event: ModelRequested) -> Put:
    fields = {
        "tenant": recorded.tenant,
        "run_id": str(event.run_id),
        "attempt": event.attempt,
        "state": "open",
        "provider": event.provider,
        "requested_model": storable(event.model),
        "parameters": storable_json(event.parameters),
        "requested_at": recorded.occurred_at,
        "position": recorded.position,
    }
    return Put("calls", str(event.call_id), fields)


def _ended(recorded: Recorded[Any], event: ModelCompleted | ModelFailed) -> Put:
    input_tokens, output_tokens = tokens_of(event)
    fields = {
        "ended_at": recorded.occurred_at,
        "duration_seconds": event.duration_seconds,
        "usage": storable_json(event.usage),
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
    }
    match event:
        case ModelCompleted():
            end = {
                "state": "completed",
                "returned_model": storable(event.returned_model),
                "reason": storable(event.finish_reason),
                "first_token_seconds": event.first_token_seconds,
            }
        case ModelFailed():
            end = {"state": "failed", "reason": event.reason, "message": storable(event.message)}
    return Put("calls", str(event.call_id), fields | end)


def _key(recorded: Recorded[Any]) -> str:
    """The run: some of its events name no conversation."""
    event = recorded.data
    heard = isinstance(event, UserChat | UserVoice | UserAskedAgain)
    run_id = derived_id(recorded.id, event.agent) if heard else event.run_id
    return key_of(recorded.tenant, "run", run_id)


def _origin(
    recorded: Recorded[Any],
    event: UserChat | UserVoice | UserAskedAgain | RunStarted,
    in_reply_to: UUID,
) -> dict[str, Any]:
    return {
        "tenant": recorded.tenant,
        "conversation_id": str(event.conversation_id),
        "agent": event.agent,
        "in_reply_to": str(in_reply_to),
    }


runs = Projection(
    name="runs",
    version=2,
    store="lists",
    collections=("runs", "calls"),
    reads=(
        UserChat,
        UserVoice,
        UserAskedAgain,
        RunStarted,
        RunContextRetrieved,
        ModelRequested,
        ModelCompleted,
        ModelFailed,
        AgentReplied,
        RunFailed,
        RunCancelRequested,
        RunCancelled,
    ),
    key=_key,
    project=project,
)
