"""The read model `model_calls`: one wide, final row a model call that ended, to be counted and priced."""

from collections.abc import Sequence
from typing import Any

from aigestion.events.recorded import Recorded
from aigestion.events.run import ModelCompleted, ModelFailed
from aigestion.projections.keys import by_event
from aigestion.projections.projection import Projection
from aigestion.readstores.port import Change, Put

TOKENS_MAX = 2**63 - 1


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
        "input_tokens": _count(event.input_tokens),
        "output_tokens": _count(event.output_tokens),
        "first_token_seconds": event.first_token_seconds,
    }


def _failed(event: ModelFailed) -> dict[str, Any]:
    """A failed call has used what it has used: its tokens count where the provider names them."""
    return {
        "outcome": "failed",
        "reason": event.reason,
        "returned_model": None,
        "input_tokens": _tokens(event.usage, "input_tokens", "prompt_tokens"),
        "output_tokens": _tokens(event.usage, "output_tokens", "completion_tokens"),
        "first_token_seconds": None,
    }


def _tokens(usage: dict[str, Any], *names: str) -> int | None:
    counts = (_count(usage.get(name)) for name in names)
    return next((count for count in counts if count is not None), None)


def _count(value: Any) -> int | None:
    """A number of tokens, if it is one: providers are not to be trusted with a column's type."""
    return value if isinstance(value, int) and 0 <= value <= TOKENS_MAX else None


model_calls = Projection(
    name="model_calls",
    version=1,
    store="analytics",
    collections=("model_calls",),
    reads=(ModelCompleted, ModelFailed),
    key=by_event,
    project=project,
)
