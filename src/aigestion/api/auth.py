"""Who may come in. Run before a route, and not as its guards: those cost a copy of the route each time."""

import re
import time
from collections import OrderedDict
from typing import Any

from litestar import Request

from aigestion.api.doors import Doors
from aigestion.api.keys import PresentedKey, parse_key, same_hash, token_hash
from aigestion.api.limits import OPERATOR, Charging
from aigestion.api.request import Caller
from aigestion.kernel.errors import Forbidden, InvalidInput, Unauthenticated
from aigestion.queries.directory import DirectoryQueries, KeyRecord

KEYS_CACHED_MAX = 10_000
KEY_CACHED_SECONDS = 1.0
"""How long a revoked key may still open something."""
USER_CHARS_MAX = 128

_USER = re.compile(rf"(?!key:)[\x21-\x7e]{{1,{USER_CHARS_MAX}}}")
_NOBODY = "0" * 64
_REFUSED = "An API key is needed: Authorization: Bearer aig_…"

AnyRequest = Request[Any, Any, Any]


class Keys:
    """Looks keys up in the directory, and remembers for a moment what it said."""

    def __init__(self, directory: DirectoryQueries) -> None:
        self._directory = directory
        self._known: OrderedDict[str, tuple[KeyRecord | None, float]] = OrderedDict()

    async def tenant(self, key: PresentedKey) -> str | None:
        """The tenant this key opens; None if it opens nothing."""
        record = await self._record(key.key_id)
        issued = record.secret_hash if record else _NOBODY
        if not same_hash(key.secret_hash, issued) or record is None or record.revoked:
            return None
        return record.tenant

    def know(self, key_id: str) -> bool:
        """Whether it opened something when it was last looked up, as far as that is remembered."""
        known = self._known.get(key_id)
        return known is not None and known[0] is not None and not known[0].revoked

    async def _record(self, key_id: str) -> KeyRecord | None:
        now = time.monotonic()
        known = self._known.get(key_id)
        if known is not None and known[1] > now:
            return known[0]
        record = await self._directory.key(key_id)
        self._known[key_id] = (record, now + KEY_CACHED_SECONDS)
        self._known.move_to_end(key_id)
        if len(self._known) > KEYS_CACHED_MAX:
            self._known.popitem(last=False)
        return record


async def require_key(request: AnyRequest) -> None:
    """Lets in who has an API key of a tenant, and notes who it is."""
    key = parse_key(_bearer(request))
    keys: Keys = request.app.state.api_keys
    tenant = await keys.tenant(key) if key else None
    if key is None or tenant is None:
        raise Unauthenticated(_REFUSED)
    user = request.headers.get("aigestion-user")
    if user is None:
        actor = user_id = f"key:{key.key_id}"
    else:
        user_id = _checked_user(user)
        actor = f"user:{user_id}"
    request.scope["auth"] = Caller(tenant, actor, user_id, key.key_id)


async def require_key_within_limits(request: AnyRequest) -> None:
    """The same, and charges the request to the key and its tenant; bad keys to their address."""
    charging: Charging = request.app.state.charging
    try:
        if charging.crowded(request):
            _must_be_known(request)
        await require_key(request)
    except Unauthenticated:
        charging.failed(request)
        raise
    caller: Caller = request.scope["auth"]
    await charging.charge(request, caller.key_id, caller.tenant)


async def require_operator(request: AnyRequest) -> None:
    """Lets in who runs this installation; an API key is not enough."""
    if not await _operator(request):
        raise Forbidden("Only the operator's token may do this.")


async def require_key_or_operator(request: AnyRequest) -> None:
    """Lets in both."""
    await _operator(request)


async def _operator(request: AnyRequest) -> bool:
    """Whether it is the operator; if not, somebody who has a key."""
    charging: Charging | None = request.app.state.charging
    try:
        operator = is_operator(request)
    except Unauthenticated:
        if charging is not None:
            charging.failed(request)
        raise
    if not operator:
        await (require_key if charging is None else require_key_within_limits)(request)
    elif charging is not None:
        await charging.charge(request, OPERATOR, None)
    return operator


def _must_be_known(request: AnyRequest) -> None:
    """An address that has presented too many bad keys gets no look-up for one more unknown key."""
    keys: Keys = request.app.state.api_keys
    key = parse_key(_bearer(request))
    if key is None or not keys.know(key.key_id):
        raise Unauthenticated(_REFUSED)


def is_operator(request: AnyRequest) -> bool:
    """Whether the operator's token came with it."""
    doors: Doors = request.app.state.doors
    return same_hash(token_hash(_bearer(request)), doors.operator_token_hash)


def _bearer(request: AnyRequest) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.isascii():
        raise Unauthenticated(_REFUSED)
    return token


def _checked_user(user: str) -> str:
    if _USER.fullmatch(user) is None:
        message = (
            f"must be 1 to {USER_CHARS_MAX} printable ASCII characters without spaces, not key:…"
        )
        errors = [{"field": "Aigestion-User", "message": message}]
        raise InvalidInput(f"Aigestion-User {message}.", errors=errors)
    return user
