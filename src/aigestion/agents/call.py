"""One call of a model: its pieces passed on as they come, its end whatever happens."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import msgspec

from aigestion.llm.port import ChatModel, ChatRequest, Done, Failed, TextDelta

_log = logging.getLogger(__name__)


class CallResult(msgspec.Struct, frozen=True):
    """How a call ended, and what had come until then."""

    text: str
    end: Done | Failed
    first_token_seconds: float | None
    duration_seconds: float


async def call_model(
    model: ChatModel,
    request: ChatRequest,
    seconds_max: float,
    say: Callable[[str], Awaitable[None]],
) -> CallResult:
    """Ask once. `say` gets each piece at once; joined, they are the result's text."""
    started = time.monotonic()
    first: float | None = None
    text: list[str] = []
    end: Done | Failed = Failed("cut-off", "the model stopped without an end", retryable=True)
    try:
        async with asyncio.timeout(seconds_max), aclosing(model.stream(request)) as events:
            async for event in events:
                if not isinstance(event, TextDelta):
                    end = event
                    break
                if piece := _recordable(event.text):
                    first = first if first is not None else time.monotonic() - started
                    text.append(piece)
                    await say(piece)
    except TimeoutError:
        end = Failed("timeout", f"no end after {seconds_max:g} seconds", retryable=True)
    except Exception as error:  # A model's own bug ends the call like any fault of a provider.
        _log.exception("the model %s/%s raised", model.provider, model.model)
        end = Failed("garbage", f"the adapter raised {type(error).__name__}", retryable=True)
    answer = "".join(text)
    if isinstance(end, Done) and not answer.strip():
        end = Failed("garbage", "an empty answer", retryable=True)
    return CallResult(answer, end, first, time.monotonic() - started)


def _recordable(text: str) -> str:
    """Lone surrogates and NULs are valid in a provider's JSON, and nowhere else in the house."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")
