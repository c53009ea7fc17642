"""Use case: issue an API key, and revoke it."""

from typing import Literal

import msgspec

from aigestion.events.directory import KeyIssued, KeyRevoked
from aigestion.kernel.decider import UseCase
from aigestion.kernel.errors import NotFound
from aigestion.kernel.query import Query, matching

KeyState = Literal["absent", "issued", "revoked"]


class IssueKey(msgspec.Struct, frozen=True):
    key_id: str
    secret_hash: str
    name: str


class RevokeKey(msgspec.Struct, frozen=True):
    key_id: str


def _boundary(command: IssueKey | RevokeKey) -> Query:
    types = (KeyIssued.stored_as, KeyRevoked.stored_as)
    return matching(f"key:{command.key_id}", types=types)


def _evolve(_state: KeyState, event: KeyIssued | KeyRevoked) -> KeyState:
    return "issued" if isinstance(event, KeyIssued) else "revoked"


def decide_issue(command: IssueKey, state: KeyState) -> list[KeyIssued]:
    if state != "absent":
        return []
    return [KeyIssued(key_id=command.key_id, secret_hash=command.secret_hash, name=command.name)]


def decide_revoke(command: RevokeKey, state: KeyState) -> list[KeyRevoked]:
    match state:
        case "absent":
            raise NotFound("There is no such key.")
        case "issued":
            return [KeyRevoked(key_id=command.key_id)]
        case "revoked":
            return []


_ABSENT: KeyState = "absent"
issue_key = UseCase(IssueKey, _boundary, _ABSENT, _evolve, decide_issue)
revoke_key = UseCase(RevokeKey, _boundary, _ABSENT, _evolve, decide_revoke)
