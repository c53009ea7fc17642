"""Answers as server-sent events: GraphQL over SSE in its "distinct connections" mode.

`next` carries an answer and `complete` says that no more will come. A stream that breaks off without it can
be taken up again behind the last position.
"""

import asyncio
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Any

import msgspec

from aigestion.api.graphql.asking import Asking
from aigestion.api.graphql.errors import told_errors
from aigestion.api.graphql.operation import Operation
from aigestion.api.request import ApiRequest
from aigestion.api.sse import HEARTBEAT, frame

COMPLETE = b"event: complete\ndata: \n\n"


async def only_frames(answer: msgspec.Struct) -> AsyncGenerator[bytes, None]:
    """One answer, and no more."""
    yield frame("next", answer)
    yield COMPLETE


def last_frames(request: ApiRequest, reason: Exception) -> bytes:
    """The end of a stream that cannot go on; it is `complete` unless it is worth coming again."""
    errors = told_errors(request, [reason])
    again = errors[0]["extensions"]["status"] >= HTTPStatus.INTERNAL_SERVER_ERROR
    return frame("next", {"errors": errors}) + (b"" if again else COMPLETE)


async def followed_frames(
    request: ApiRequest, operation: Operation, asking: Asking
) -> AsyncGenerator[bytes, None]:
    """What the subscription brings, for ever; `complete` only after what ends it for good."""
    results = operation.results(asking)
    awaited: asyncio.Future[Any] | None = None
    try:
        while True:
            awaited = awaited or asyncio.ensure_future(anext(results))
            await asyncio.wait({awaited}, timeout=request.doors.limits.heartbeat_seconds)
            if not awaited.done():
                yield HEARTBEAT
                continue
            result, awaited = awaited.result(), None
            errors = told_errors(request, result.errors) if result.errors else None
            if result.data is None:
                yield frame("next", {"errors": errors})
                yield COMPLETE
                return
            yield frame("next", {"data": result.data} | ({"errors": errors} if errors else {}))
    except StopAsyncIteration:  # the hub stops
        pass
    except Exception as error:
        yield last_frames(request, error)
    finally:
        if awaited is not None:
            awaited.cancel()
            await asyncio.gather(awaited, return_exceptions=True)
        await results.aclose()
