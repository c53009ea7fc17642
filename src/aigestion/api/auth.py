"""Who may come in. Run before a route, and not as its guards: those cost a copy of the route each time."""

import asyncio
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from litestar import Request

from aigestion.api.doors import Doors
from aigestion.api.errors import AnyConnection
from aigestion.api.header import first_header
from aigestion.api.keys import PresentedKey, parse_key, same_hash, token_hash
from aigestion.api.limits import OPERATOR, Charging
from aigestion.api.parameters import refuse_null
from aigestion.api.request import Caller
from aigestion.api.scopes import NEEDED
from aigestion.events.directory import Scope
from aigestion.kernel.clock import Clock
from aigestion.kernel.errors import (
    Forbidden,
    InvalidInput,
    KeyExpired,
    KeyRevoked,
    ScopeMissing,
    Unauthenticated,
    Unavailable,
    ViewBehind,
)
from aigestion.queries.keys import KeyQueries, KeyRecord

KEYS_CACHED_MAX = 10_000
KEY_CACHED_SECONDS = 0.5
"""How long a revoked key may still open something here, and how soon a stream that it opened ends."""
USER_CHARS_MAX = 128
KEY_PROTOCOL = "bearer."
USER_PROTOCOL = "user."
"""What a socket's subprotocols begin with that carry a key, and a user's id in percent-encoding."""
OPERATOR_TENANT = "operator"
"""The tenant of whoever runs this installation, if they made one: its `admin` keys may do what only they may."""

_USER = re.compile(rf"(?!key:)[\x21-\x7e]{{1,{USER_CHARS_MAX}}}")
_NOBODY = "0" * 64
_REFUSED = "An API key is needed: Authorization: Bearer aig_…"

AnyRequest = Request[Any, Any, Any]

_log = logging.getLogger(__name__)


class Keys:
    """Looks keys up, and remembers those that were issued for a moment.

    What was not found is not remembered: a fresh key is good as soon as anybody can know it.
    """

    def __init__(self, keys: KeyQueries, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock
        self._known: OrderedDict[str, tuple[KeyRecord, float]] = OrderedDict()
        self._watches: dict[PresentedKey, _Watch] = {}

    async def opened(self, key: PresentedKey) -> KeyRecord:
        """What this key opens; `Unauthenticated` if nothing, and whoever has its secret is told why."""
        record = await self._record(key.key_id)
        issued = record.secret_hash if record else _NOBODY
        if not same_hash(key.secret_hash, issued) or record is None:
            raise Unauthenticated(_REFUSED)
        match record.state_at(self._clock()):
            case "active":
                return record
            case "expired":
                raise KeyExpired(f"This key expired at {record.expires_at:%Y-%m-%dT%H:%M:%SZ}.")
            case "revoked":
                raise KeyRevoked("This key was revoked.")

    async def closed(self, key: PresentedKey) -> Unauthenticated:
        """Returns, with the reason, once an open key opens nothing any more. All who wait share one look."""
        watch = self._watches.get(key)
        if watch is None:
            watch = self._watches[key] = _Watch(asyncio.create_task(self._closed(key)))
        watch.waiting += 1
        try:
            return await asyncio.shield(watch.task)
        finally:
            watch.waiting -= 1
            if not watch.waiting:
                del self._watches[key]
                watch.task.cancel()

    async def _closed(self, key: PresentedKey) -> Unauthenticated:
        while True:
            await asyncio.sleep(KEY_CACHED_SECONDS)
            try:
                await self.opened(key)
            except Unauthenticated as reason:
                return reason
            except (Unavailable, ViewBehind, OSError) as error:
                _log.info("key %s cannot be looked up now: %s", key.key_id, error)

    def know(self, key_id: str) -> bool:
        """Whether it opened something when it was last looked up, as far as that is remembered."""
        known = self._known.get(key_id)
        return known is not None and known[0].state_at(self._clock()) == "active"

    async def _record(self, key_id: str) -> KeyRecord | None:
        now = time.monotonic()
        known = self._known.get(key_id)
        if known is not None and known[1] > now:
            return known[0]
        record = await self._keys.key(key_id)
        if record is None:
            self._known.pop(key_id, None)
            return None
        self._known[key_id] = (record, now + KEY_CACHED_SECONDS)
        self._known.move_to_end(key_id)
        if len(self._known) > KEYS_CACHED_MAX:
            self._known.popitem(last=False)
        return record


class _Watch:
    """Somebody looks whether a key still opens something, for all who want to know."""

    def __init__(self, task: "asyncio.Task[Unauthenticated]") -> None:
        self.task = task
        self.waiting = 0


async def require_key(request: AnyRequest) -> None:
    """Lets in who has an API key of a tenant with the scope of this route, and notes who it is."""
    request.scope["auth"] = await _caller(request)
    _require_scope(request)
    refuse_null(request)


async def require_key_within_limits(request: AnyRequest) -> None:
    """The same, and charges the request to the key and its tenant; bad keys to their address."""
    charging: Charging = request.app.state.charging
    caller = request.scope["auth"] = await _caller_within_limits(request, charging)
    await charging.charge(request, caller.key.key_id, caller.tenant)
    _require_scope(request)
    refuse_null(request)


async def caller_of(connection: AnyConnection) -> Caller:
    """Who opens a socket. Bad keys are charged to their address, where there are limits."""
    charging: Charging | None = connection.app.state.charging
    if charging is None:
        return await _caller(connection)
    return await _caller_within_limits(connection, charging)


async def _caller_within_limits(connection: AnyConnection, charging: Charging) -> Caller:
    try:
        if charging.crowded(connection):
            _must_be_known(connection)
        return await _caller(connection)
    except Unauthenticated:
        charging.failed(connection)
        raise


async def _caller(connection: AnyConnection) -> Caller:
    key = parse_key(_bearer(connection))
    if key is None:
        raise Unauthenticated(_REFUSED)
    keys: Keys = connection.app.state.api_keys
    record = await keys.opened(key)
    user = first_header(connection.scope, b"aigestion-user")
    if user is None:
        user = offered(connection, USER_PROTOCOL)
    if user is None:
        actor = user_id = f"key:{key.key_id}"
    else:
        user_id = _checked_user(user)
        actor = f"user:{user_id}"
    return Caller(record.tenant, actor, user_id, key, record.scopes)


def _require_scope(request: AnyRequest) -> None:
    caller: Caller = request.scope["auth"]
    needed = request.route_handler.opt.get(NEEDED)
    if needed == "operator":
        if caller.tenant != OPERATOR_TENANT or "admin" not in caller.scopes:
            raise Forbidden("Only the operator may do this.")
    elif needed not in (None, "key"):
        require_scope(caller, needed)


def require_scope(caller: Caller, needed: Scope) -> None:
    """Raises `ScopeMissing` if the caller's key may not do this."""
    if needed not in caller.scopes:
        raise ScopeMissing(f"This key lacks the scope `{needed}`.", scope=needed)


async def require_key_or_operator(request: AnyRequest) -> None:
    """Lets in the operator's token, and otherwise a key as the table of scopes has it."""
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


def _must_be_known(connection: AnyConnection) -> None:
    """An address that has presented too many bad keys gets no look-up for one more unknown key."""
    keys: Keys = connection.app.state.api_keys
    key = parse_key(_bearer(connection))
    if key is None or not keys.know(key.key_id):
        raise Unauthenticated(_REFUSED)


def is_operator(request: AnyRequest) -> bool:
    """Whether the operator's token came with it."""
    doors: Doors = request.app.state.doors
    return same_hash(token_hash(_bearer(request)), doors.operator_token_hash)


def _bearer(connection: AnyConnection) -> str:
    if (key := offered(connection, KEY_PROTOCOL)) is not None:
        return key
    given = first_header(connection.scope, b"authorization") or ""
    scheme, _, token = given.partition(" ")
    if scheme.lower() != "bearer" or not token.isascii():
        raise Unauthenticated(_REFUSED)
    return token


def offered(connection: AnyConnection, prefix: str) -> str | None:
    """What a socket offers as a subprotocol that begins so: a page's script can set no header."""
    protocols: Iterable[str] = connection.scope.get("subprotocols", ())  # type: ignore[assignment]
    for protocol in protocols:
        if protocol.startswith(prefix):
            return unquote(protocol.removeprefix(prefix))
    return None


def _checked_user(user: str) -> str:
    if _USER.fullmatch(user) is None:
        message = (
            f"must be 1 to {USER_CHARS_MAX} printable ASCII characters without spaces, not key:…"
        )
        errors = [{"field": "Aigestion-User", "message": message}]
        raise InvalidInput(f"Aigestion-User {message}.", errors=errors)
    return user
