"""What each route asks of its caller: one table. A route that is neither here nor open to all does not start."""

from collections.abc import Mapping
from typing import Literal

from litestar.openapi.spec import SecurityRequirement
from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute, WebSocketRoute

from aigestion.api.openapi import OPEN, OPERATOR
from aigestion.events.directory import Scope

NEEDED = "needed"
"""Where a route handler keeps its line of the table."""

Need = Scope | Literal["operator", "key"]

NEEDED_BY: Mapping[str, Need] = {
    "POST /graphql": "read",
    "GET /v1/agents": "read",
    "GET /v1/agents/{name}": "read",
    "PUT /v1/agents/{name}": "admin",
    "POST /v1/agents/{name}/register": "agent",
    "POST /v1/agents/{name}/rollback": "admin",
    "GET /v1/agents/{name}/versions": "read",
    "GET /v1/analytics": "read",
    "GET /v1/analytics/{report}": "read",
    "GET /v1/caller": "key",
    "GET /v1/checkpoint": "events",
    "GET /v1/conversations": "read",
    "POST /v1/conversations": "write",
    "GET /v1/conversations/{conversation_id}": "read",
    "PATCH /v1/conversations/{conversation_id}": "write",
    "POST /v1/conversations/{conversation_id}/interactions": "write",
    "POST /v1/conversations/{conversation_id}/interactions/{event_id}/failure": "agent",
    "POST /v1/conversations/{conversation_id}/interactions/{event_id}/reply": "agent",
    "POST /v1/conversations/{conversation_id}/interactions/{event_id}/retry": "write",
    "GET /v1/conversations/{conversation_id}/stream": "events",
    "GET /v1/documents": "read",
    "POST /v1/documents": "write",
    "GET /v1/documents/{document_id}": "read",
    "DELETE /v1/documents/{document_id}": "write",
    "GET /v1/events": "events",
    "GET /v1/events/stream": "events",
    "GET /v1/events/{event_id}": "events",
    "GET /v1/keys": "admin",
    "POST /v1/keys": "admin",
    "DELETE /v1/keys/{key_id}": "admin",
    "POST /v1/keys/{key_id}/expire": "admin",
    "GET /v1/projections": "read",
    "GET /v1/projections/{name}/parked": "operator",
    "POST /v1/projections/{name}/rebuild": "operator",
    "POST /v1/projections/{name}/redrive": "operator",
    "POST /v1/projections/{name}/rollback": "operator",
    "POST /v1/projections/{name}/verify": "operator",
    "GET /v1/runs": "read",
    "GET /v1/runs/{run_id}": "read",
    "POST /v1/runs/{run_id}/cancel": "write",
    "GET /v1/search": "read",
    "GET /v1/tenants": "operator",
    "POST /v1/tenants": "operator",
}
"""A key's scope, any `key`, or who runs this installation. The operator may also see what `/v1/projections` shows."""

SOCKETS_NEED: Mapping[str, Scope] = {"/v1/conversations/{conversation_id}/socket": "events"}
"""What a socket asks of who opens it; each message may ask for more."""


class Scopes(ReceiveRoutePlugin):
    """Tells each route its line of the table, and the OpenAPI document as well."""

    def receive_route(self, route: BaseRoute) -> None:
        """Raises `LookupError` for a route that nobody has thought about."""
        if isinstance(route, WebSocketRoute):
            route.route_handler.opt[NEEDED] = SOCKETS_NEED[route.path_format]
        if not isinstance(route, HTTPRoute):
            return
        for handler, _ in route.route_handler_map.values():
            if handler.security == OPEN or not handler.resolve_include_in_schema():
                continue
            for method in handler.http_methods:
                needed = NEEDED_BY[f"{method} {route.path_format}"]
                handler.opt[NEEDED] = needed
                handler.security = handler.security or _security(needed)


def _security(needed: Need) -> list[SecurityRequirement]:
    if needed == "operator":
        return OPERATOR
    return [{"key": [] if needed == "key" else [needed]}]
