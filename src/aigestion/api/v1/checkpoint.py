"""The last signed checkpoint of the log: for whoever keeps them where nobody of this installation can reach."""

from datetime import datetime

import msgspec
from litestar import get

from aigestion.api.answers import ETAG_HEADER, POSITION_HEADER, Answered, reading
from aigestion.api.request import ApiRequest
from aigestion.kernel.errors import NotFound


class Checkpoint(msgspec.Struct, frozen=True):
    """What was signed: the first `size` events of the log, of all tenants, by the root of their Merkle tree."""

    size: int
    note: str
    """A signed note (C2SP tlog-checkpoint): origin, size, root in Base64, an empty line, Ed25519 signature."""
    made_at: datetime


@get(
    "/checkpoint",
    responses=reading(404),
    response_headers=[POSITION_HEADER, ETAG_HEADER],
    summary="Read the last signed checkpoint",
    tags=["Events"],
)
async def read_checkpoint(request: ApiRequest) -> Answered[Checkpoint]:
    """The last signed checkpoint of the log. Keep it: `aigestion audit verify --checkpoint` then finds a log that was
    cut off or rewritten since, whoever did it. 404 while nothing is signed.
    """
    last = await request.doors.checkpoints.last()
    if last is None:
        raise NotFound("Nothing of this log is signed.")
    return Answered(Checkpoint(last.size, last.note, last.made_at), last.size)
