"""Use case: issue an API key, set its end, and revoke it."""

from datetime import datetime
from typing import Literal

import msgspec

from aigestion.events.directory import KeyExpirySet, KeyIssued, KeyRevoked, Scope
from aigestion.kernel.decider import UseCase
from aigestion.kernel.errors import NotFound, Refused
from aigestion.kernel.query import Query, matching


class IssueKey(msgspec.Struct, frozen=True):
    key_id: str
    secret_hash: str
    name: str
    scopes: tuple[Scope, ...]
    expires_at: datetime | None = None


class ExpireKey(msgspec.Struct, frozen=True):
    key_id: str
    expires_at: datetime


class RevokeKey(msgspec.Struct, frozen=True):
    key_id: str


class Key(msgspec.Struct, frozen=True):
    """Only what a decision needs."""

    state: Literal["absent", "issued", "revoked"] = "absent"
    expires_at: datetime | None = None


def _boundary(command: IssueKey | ExpireKey | RevokeKey) -> Query:
    types = (KeyIssued.stored_as, KeyExpirySet.stored_as, KeyRevoked.stored_as)
    return matching(f"key:{command.key_id}", types=types)


def _evolve(state: Key, event: KeyIssued | KeyExpirySet | KeyRevoked) -> Key:
    match event:
        case KeyIssued():
            return Key("issued", event.expires_at)
        case KeyExpirySet():
            return Key(state.state, event.expires_at)
        case KeyRevoked():
            return Key("revoked", state.expires_at)


def decide_issue(command: IssueKey, key: Key) -> list[KeyIssued]:
    if key.state != "absent":
        return []
    return [
        KeyIssued(
            key_id=command.key_id,
            secret_hash=command.secret_hash,
            name=command.name,
            scopes=command.scopes,
            expires_at=command.expires_at,
        )
    ]


def decide_expire(command: ExpireKey, key: Key) -> list[KeyExpirySet]:
    if key.state == "absent":
        raise NotFound("There is no such key.")
    if key.state == "revoked":
        raise Refused("The key is revoked already.")
    if command.expires_at == key.expires_at:
        return []
    if key.expires_at is not None and command.expires_at > key.expires_at:
        raise Refused("The end of a key is never put off: issue another one.")
    return [KeyExpirySet(key_id=command.key_id, expires_at=command.expires_at)]


def decide_revoke(command: RevokeKey, key: Key) -> list[KeyRevoked]:
    match key.state:
        case "absent":
            raise NotFound("There is no such key.")
        case "issued":
            return [KeyRevoked(key_id=command.key_id)]
        case "revoked":
            return []


issue_key = UseCase(IssueKey, _boundary, Key(), _evolve, decide_issue)
expire_key = UseCase(ExpireKey, _boundary, Key(), _evolve, decide_expire)
revoke_key = UseCase(RevokeKey, _boundary, Key(), _evolve, decide_revoke)
