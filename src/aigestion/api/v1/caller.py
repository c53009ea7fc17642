"""Who asks, as the key tells it: for programs and pages that are given a key and nothing else."""

import msgspec
from litestar import get

from aigestion.api.answers import problems
from aigestion.api.request import ApiRequest
from aigestion.events.directory import Scope


class KnownCaller(msgspec.Struct, frozen=True):
    """Whose key it is, and what it opens."""

    tenant: str
    key_id: str
    scopes: list[Scope]


@get("/caller", responses=problems(), summary="Who am I?", tags=["Keys"])
async def read_caller(request: ApiRequest) -> KnownCaller:
    """The tenant and the scopes of the key that this request came with. Any key may ask."""
    caller = request.auth
    return msgspec.convert(
        {"tenant": caller.tenant, "key_id": caller.key.key_id, "scopes": caller.scopes},
        KnownCaller,
    )
