"""Use case: create a tenant, with its first key if one is wanted."""

import msgspec

from aigestion.commands.directory.issue_key import IssueKey, Key, decide_issue
from aigestion.events.directory import TenantCreated
from aigestion.events.event import Event
from aigestion.kernel.decider import UseCase
from aigestion.kernel.query import matching

TENANT_NAME = r"^[a-z][a-z0-9-]{0,62}$"
"""It stands in subjects, tags and keys of every engine."""


class CreateTenant(msgspec.Struct, frozen=True):
    tenant: str
    name: str
    first_key: IssueKey | None = None


def decide(command: CreateTenant, exists: bool) -> list[Event]:
    if exists:
        return []
    created = TenantCreated(tenant=command.tenant, name=command.name)
    first = command.first_key
    return [created, *(decide_issue(first, Key()) if first else ())]


def _evolve(exists: bool, event: Event) -> bool:
    return exists or isinstance(event, TenantCreated)


create_tenant = UseCase(
    CreateTenant,
    lambda command: matching(f"tenant:{command.tenant}", types=(TenantCreated.stored_as,)),
    False,
    _evolve,
    decide,
)
