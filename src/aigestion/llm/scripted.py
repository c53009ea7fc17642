"""A model that plays a script: what it says, how it fails, where it hangs. For tests, ours and users'."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, TypeAlias

import msgspec

from aigestion.llm.port import ChatRequest, Done, Failed, FailureReason, StreamEvent, TextDelta


class Pause(msgspec.Struct, frozen=True):
    """Say nothing for a while; for ever, if no time is given."""

    seconds: float | None = None


Step: TypeAlias = StreamEvent | Pause
Script: TypeAlias = tuple[Step, ...]


def says(*pieces: str, model: str = "scripted-1", finish_reason: str = "stop") -> Script:
    """An answer in these pieces. Its usage counts pieces."""
    done = Done(model, finish_reason, {"output_pieces": len(pieces)}, 1, len(pieces))
    return (*map(TextDelta, pieces), done)


def fails(
    reason: FailureReason,
    *,
    after: str = "",
    retryable: bool = True,
    retry_after_seconds: float | None = None,
) -> Script:
    """A failure, after some text if any is given."""
    failed = Failed(reason, f"scripted: {reason}", retryable, retry_after_seconds)
    return (TextDelta(after), failed) if after else (failed,)


def hangs(*, after: str = "") -> Script:
    """Silence without end, after some text if any is given."""
    return (TextDelta(after), Pause()) if after else (Pause(),)


class ScriptedModel:
    """Plays one script a call, in order; the last one again and again."""

    provider = "scripted"
    model = "scripted-1"

    def __init__(self, *scripts: Script) -> None:
        self.parameters: dict[str, Any] = {}
        self.requests: list[ChatRequest] = []
        """What it was asked, call by call."""
        self._scripts = scripts

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamEvent]:
        script = self._scripts[min(len(self.requests), len(self._scripts) - 1)]
        self.requests.append(request)
        for step in script:
            if isinstance(step, Pause):
                await asyncio.sleep(3600 if step.seconds is None else step.seconds)
            else:
                yield step
