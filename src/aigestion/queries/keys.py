"""API keys, asked: whose a key is, from the read model; what it may do, and whether still, from the log."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, TypeAlias

import asyncpg
import msgspec

from aigestion.events.directory import KeyExpirySet, KeyIssued, KeyRevoked
from aigestion.events.recorded import Recorded
from aigestion.eventstore.reader import LogReader
from aigestion.kernel.query import matching
from aigestion.projections.progress import Progress
from aigestion.queries.answer import Answer, Cursors, Page, Position, checked_limit
from aigestion.queries.statements import fetch

KEY_EVENTS = (KeyIssued.stored_as, KeyExpirySet.stored_as, KeyRevoked.stored_as)

KeyState: TypeAlias = Literal["active", "expired", "revoked"]


class KeySummary(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list of keys; the key itself is nowhere."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    issued_at: datetime
    issued_by: str
    """The actor: `operator`, `key:<id>`, `user:<id>`."""
    expires_at: datetime | None
    revoked_at: datetime | None
    position: int
    """Of the event that issued it; the list is ordered by it, newest first."""

    def state_at(self, at: datetime) -> KeyState:
        """Whether it opens anything at this moment."""
        if self.revoked_at is not None:
            return "revoked"
        expired = self.expires_at is not None and self.expires_at <= at
        return "expired" if expired else "active"


class KeyRecord(KeySummary, frozen=True, kw_only=True):
    """An issued key with what proves it."""

    tenant: str
    secret_hash: str


class KeyQueries:
    """A key is looked up before anybody's tenant is known; the list is one tenant's."""

    def __init__(self, pool: asyncpg.Pool, progress: Progress, reader: LogReader) -> None:
        self._pool = pool
        self._progress = progress
        self._reader = reader

    async def key(self, key_id: str, *, min_position: int = 0) -> KeyRecord | None:
        """The key of this id, whatever its state; None if the read model knows nobody who issued it.

        Its state is the log's own: a revoked key is known as revoked though read models stand still.
        """
        view, _ = await self._progress.at_least("directory", min_position)
        rows = await fetch(self._pool, "key_owner", view, key_id)
        if not rows:
            return None
        query = matching(f"key:{key_id}", types=KEY_EVENTS).scoped(rows[0]["tenant"])
        return next(iter(keys_in(await self._reader.read(query))), None)

    async def page(
        self, tenant: str, *, limit: int, cursor: str | None = None, min_position: int = 0
    ) -> Answer[Page[KeySummary]]:
        """The newest keys first. `InvalidInput` for a bad limit or cursor."""
        checked_limit(limit)
        cursors = Cursors(_Before, ("keys", tenant))
        key = cursors.decode(cursor)
        view, position = await self._progress.at_least("directory", min_position)
        stale = self._progress.stale("directory", tenant)
        before = key.position if key else None
        rows = await fetch(self._pool, "keys_page", view, tenant, before, limit + 1)
        found = [
            msgspec.convert({**row, "scopes": msgspec.json.decode(row["scopes"])}, KeySummary)
            for row in rows
        ]
        page = cursors.page(found, limit, lambda last: _Before(last.position))
        return Answer(position, page, stale)


def keys_in(events: Iterable[Recorded[Any]]) -> list[KeyRecord]:
    """The keys that one tenant's events of `KEY_EVENTS` leave, in the order they were issued."""
    keys: dict[str, KeyRecord] = {}
    for recorded in events:
        match recorded.data:
            case KeyIssued() as issued:
                keys[issued.key_id] = KeyRecord(
                    key_id=issued.key_id,
                    tenant=recorded.tenant,
                    secret_hash=issued.secret_hash,
                    name=issued.name,
                    scopes=issued.scopes,
                    issued_at=recorded.occurred_at,
                    issued_by=recorded.actor,
                    expires_at=issued.expires_at,
                    revoked_at=None,
                    position=recorded.position,
                )
            case KeyExpirySet(key_id=key_id, expires_at=at):
                keys[key_id] = msgspec.structs.replace(keys[key_id], expires_at=at)
            case KeyRevoked(key_id=key_id):
                at = recorded.occurred_at
                keys[key_id] = msgspec.structs.replace(keys[key_id], revoked_at=at)
            case _:
                pass
    return list(keys.values())


class _Before(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    position: Position
