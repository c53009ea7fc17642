"""The read model `model_calls`: one wide, final row a model call that ended, to be counted and priced."""

from collections.abc import Sequence
from typing import Any

from aigestion.events.recorded import Recorded
from aigestion.events.run import ModelCompleted, ModelFailed
from aigestion.projections.keys import by_event
from aigestion.projections.projection import Projection
from aigestion.projections.tokens import tokens_of
from aigestion.readstores.port import Change, Put


def project(recorded: Recorded[Any]) -> Sequence[Change]:
    """How a call ended, what it took and what it used; the provider's own usage object as it came."""
    match recorded.data:
        case ModelCompleted() as completed:
            return [_put(recorded, completed, _completed(completed))]
        case ModelFailed() as failed:
            return [_put(recorded, failed, _failed(failed))]
        case _:
            return []


def _put(
    recorded: Recorded[Any], event: ModelCompleted | ModelFailed, outcome: dict[str, Any]
) -> Put:
    input_tokens, output_tokens = tokens_of(event)
    fields = {
        "tenant": recorded.tenant,
        "position": recorded.position,
        "call_id": str(event.call_id),
        "run_id": str(event.run_id),
        "conversation_id": str(event.conversation_id),
        "agent": event.agent,
        "provider": event.provider,
        "requested_model": event.requested_model,
        "usage": event.usage,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "requested_at": event.requested_at,
        "duration_seconds": event.duration_seconds,
        "occurred_at": recorded.occurred_at,
        "recorded_at": recorded.recorded_at,
    }
    return Put("model_calls", str(recorded.id), fields | outcome)


def _completed(event: ModelCompleted) -> dict[str, Any]:
    return {
        "outcome": "completed",
        "reason": event.finish_reason,
        "returned_model": event.returned_model,
        "first_token_seconds": event.first_token_seconds,
    }


def _failed(event: ModelFailed) -> dict[str, Any]:
    return {
        "outcome": "failed",
        "reason": event.reason,
        "returned_model": None,
        "first_token_seconds": None,
    }


model_calls = Projection(
    name="model_calls",
    version=1,
    store="analytics",
    collections=("model_calls",),
    reads=(ModelCompleted, ModelFailed),
    key=by_event,
    project=project,
)
