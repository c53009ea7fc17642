"""Tokens of a model call as numbers: providers are not to be trusted with a column's type."""

from typing import Any

from aigestion.events.run import ModelCompleted, ModelFailed

TOKENS_MAX = 2**63 - 1


def tokens_of(event: ModelCompleted | ModelFailed) -> tuple[int | None, int | None]:
    """(input, output) tokens; None where nobody knows.

    A failed call has used what it has used: its tokens count where the provider names them.
    """
    match event:
        case ModelCompleted():
            return _count(event.input_tokens), _count(event.output_tokens)
        case ModelFailed(usage=usage):
            return (
                _first(usage, "input_tokens", "prompt_tokens"),
                _first(usage, "output_tokens", "completion_tokens"),
            )


def _first(usage: dict[str, Any], *names: str) -> int | None:
    counts = (_count(usage.get(name)) for name in names)
    return next((count for count in counts if count is not None), None)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 <= value <= TOKENS_MAX else None
