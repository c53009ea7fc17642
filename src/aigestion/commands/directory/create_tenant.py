"""Use case: create a tenant."""

import msgspec

from aigestion.events.directory import TenantCreated
from aigestion.kernel.decider import UseCase
from aigestion.kernel.query import matching


class CreateTenant(msgspec.Struct, frozen=True):
    tenant: str
    name: str


def decide(command: CreateTenant, exists: bool) -> list[TenantCreated]:
    return [] if exists else [TenantCreated(tenant=command.tenant, name=command.name)]


create_tenant = UseCase(
    CreateTenant,
    lambda command: matching(f"tenant:{command.tenant}", types=(TenantCreated.stored_as,)),
    False,
    lambda _state, _event: True,
    decide,
)
