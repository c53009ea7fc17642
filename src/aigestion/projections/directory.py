"""The read model `directory`: tenants, their API keys and their agents."""

from collections.abc import Sequence
from typing import Any

from aigestion.events.directory import (
    AgentDefined,
    AgentRegistered,
    KeyExpirySet,
    KeyIssued,
    KeyRevoked,
    TenantCreated,
)
from aigestion.events.recorded import Recorded
from aigestion.projections.keys import by_tag
from aigestion.projections.projection import Projection
from aigestion.projections.text import storable
from aigestion.readstores.port import Change, Put


def project(recorded: Recorded[Any]) -> Sequence[Change]:
    """A row a tenant, a row a key (revoked or not), a row an agent that is registered, one for each defined."""
    event, tenant = recorded.data, recorded.tenant
    fields: dict[str, Any]
    match event:
        case TenantCreated():
            fields = {"name": storable(event.name), "created_at": recorded.occurred_at}
            return [_put(recorded, "tenants", tenant, fields)]
        case KeyIssued():
            fields = {
                "key_id": event.key_id,
                "name": storable(event.name),
                "scopes": list(event.scopes),
                "issued_at": recorded.occurred_at,
                "issued_by": storable(recorded.actor),
                "expires_at": event.expires_at,
                "revoked_at": None,
            }
            return [_put(recorded, "keys", f"{tenant}/{event.key_id}", fields)]
        case KeyExpirySet():
            fields = {"expires_at": event.expires_at}
            return [Put("keys", f"{tenant}/{event.key_id}", fields)]
        case KeyRevoked():
            fields = {"revoked_at": recorded.occurred_at}
            return [Put("keys", f"{tenant}/{event.key_id}", fields)]
        case AgentRegistered():
            fields = {
                "agent": event.agent,
                "description": storable(event.description),
                "hears": list(event.hears),
            }
            return [_put(recorded, "agents", f"{tenant}/{event.agent}", fields)]
        case AgentDefined():
            fields = {
                "agent": event.agent,
                "agent_version": event.agent_version,
                "description": storable(event.description),
                "hears": list(event.hears),
            }
            return [_put(recorded, "definitions", f"{tenant}/{event.agent}", fields)]
        case _:
            return []


def _put(recorded: Recorded[Any], collection: str, key: str, fields: dict[str, Any]) -> Put:
    """Whose it is comes from the envelope: nothing a tenant writes touches another's rows (law 9)."""
    whose = {"tenant": recorded.tenant, "position": recorded.position}
    return Put(collection, key, whose | fields)


directory = Projection(
    name="directory",
    version=2,
    store="lists",
    collections=("tenants", "keys", "agents", "definitions"),
    reads=(TenantCreated, KeyIssued, KeyExpirySet, KeyRevoked, AgentRegistered, AgentDefined),
    key=by_tag("key", "agent"),
    project=project,
)
