"""Answers as server-sent events: GraphQL over SSE in its "distinct connections" mode.

`next` carries an answer and `complete` says that no more will come. A stream that breaks off without it can
be taken up again behind the last position.
"""

import asyncio
from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Any

import msgspec

from aigestion.api.delivery import DRAINING, Ending
from aigestion.api.following import Shown
from aigestion.api.graphql.asking import Asking
from aigestion.api.graphql.errors import told_errors
from aigestion.api.graphql.operation import Operation
from aigestion.api.request import ApiRequest
from aigestion.api.sse import frame
from aigestion.kernel.errors import KeyExpired, KeyRevoked

COMPLETE = Shown("complete", None)
FINAL = (KeyRevoked.code, KeyExpired.code)
"""Why a stream ends that there is no use in taking up again."""


def write(shown: Shown | None) -> bytes:
    """The frame of an answer; `complete` has no data."""
    return b"event: complete\ndata: \n\n" if shown is COMPLETE else frame(shown)


def last_frames(ending: Ending) -> bytes:
    """The end of a stream; `complete` only where it is not worth coming again."""
    if ending.code == DRAINING:
        return b""
    final = ending.code in FINAL
    status = HTTPStatus.UNAUTHORIZED if final else HTTPStatus.SERVICE_UNAVAILABLE
    told = {"message": ending.detail, "extensions": {"code": ending.code, "status": int(status)}}
    return frame(Shown("next", {"errors": [told]})) + (write(COMPLETE) if final else b"")


async def only(answer: msgspec.Struct) -> AsyncGenerator[Shown | None, None]:
    """One answer, and no more."""
    yield Shown("next", answer)
    yield COMPLETE


async def followed(
    request: ApiRequest, operation: Operation, asking: Asking
) -> AsyncGenerator[Shown | None, None]:
    """What the subscription brings, for ever; `complete` only after what ends it for good."""
    results = operation.results(asking)
    awaited: asyncio.Future[Any] | None = None
    try:
        while True:
            awaited = awaited or asyncio.ensure_future(anext(results))
            await asyncio.wait({awaited}, timeout=request.doors.limits.heartbeat_seconds)
            if not awaited.done():
                yield None
                continue
            result, awaited = awaited.result(), None
            errors = told_errors(request, result.errors) if result.errors else None
            if result.data is None:
                yield Shown("next", {"errors": errors})
                yield COMPLETE
                return
            yield Shown("next", {"data": result.data} | ({"errors": errors} if errors else {}))
    except StopAsyncIteration:  # the hub stops
        pass
    except Exception as error:
        errors = told_errors(request, [error])
        yield Shown("next", {"errors": errors})
        if errors[0]["extensions"]["status"] < HTTPStatus.INTERNAL_SERVER_ERROR:
            yield COMPLETE
    finally:
        if awaited is not None:
            awaited.cancel()
            await asyncio.gather(awaited, return_exceptions=True)
        await results.aclose()
