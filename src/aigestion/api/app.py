"""The HTTP application: routes, guards, errors, put together."""

from collections.abc import Sequence

from litestar import Litestar, Router
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.plugins.pydantic import PydanticPlugin
from litestar.routes import HTTPRoute

from aigestion.api import dashboard, system
from aigestion.api.auth import Keys, require_key, require_key_within_limits
from aigestion.api.body import BODY_BYTES_MAX
from aigestion.api.compression import compression
from aigestion.api.delivery import OpenStreams
from aigestion.api.doors import Doors, Operations
from aigestion.api.errors import problem_of
from aigestion.api.graphql.routes import ask_graphql, graphql_page
from aigestion.api.in_time import in_time
from aigestion.api.limits import Charging
from aigestion.api.observed import Metrics, observed
from aigestion.api.openapi import BodySchemas, openapi_config
from aigestion.api.request import ApiRequest
from aigestion.api.scopes import Scopes
from aigestion.api.straight import straight, telling
from aigestion.api.v1.agents import agents
from aigestion.api.v1.analytics import analytics
from aigestion.api.v1.caller import read_caller
from aigestion.api.v1.checkpoint import read_checkpoint
from aigestion.api.v1.conversations import conversations
from aigestion.api.v1.documents import documents
from aigestion.api.v1.events import events
from aigestion.api.v1.interactions import ask_again, post_interaction
from aigestion.api.v1.keys import keys
from aigestion.api.v1.new_document import FORM_PARTS_MAX
from aigestion.api.v1.projections import projections
from aigestion.api.v1.replies import fail, reply
from aigestion.api.v1.runs import runs
from aigestion.api.v1.search import search
from aigestion.api.v1.socket import converse
from aigestion.api.v1.stream import stream
from aigestion.api.v1.tenants import tenants

READABLE_HEADERS = (
    *("Aigestion-Position", "Aigestion-Stale", "ETag", "Link", "Request-Id", "Retry-After"),
    *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
)
SENDABLE_HEADERS = (
    *("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match"),
    *("Last-Event-ID", "Request-Id", "Aigestion-User"),
)


def create_app(doors: Doors, *, cors_origins: Sequence[str] = ()) -> Litestar:
    """The application. It starts and stops nothing: what is behind the doors is running already.

    `cors_origins`: the web pages whose scripts may call it, `https://app.example`.
    """
    charging = Charging(doors.limiter, doors.metrics) if doors.limiter is not None else None
    guard = require_key if charging is None else require_key_within_limits
    app = Litestar(
        route_handlers=[
            Router(
                "/v1",
                before_request=telling(guard),
                route_handlers=[
                    conversations,
                    post_interaction,
                    ask_again,
                    reply,
                    fail,
                    stream,
                    converse,
                    runs,
                    search,
                    analytics,
                    events,
                    read_checkpoint,
                    documents,
                    keys,
                    read_caller,
                    agents,
                ],
            ),
            Router("/v1", route_handlers=[projections, tenants]),
            Router("/", before_request=guard, route_handlers=[ask_graphql]),
            graphql_page,
            *system.ROUTES,
            *dashboard.ROUTES,
        ],
        state=State(
            {
                "doors": doors,
                "api_keys": Keys(doors.keys, doors.clock),
                "charging": charging,
                "streams": OpenStreams(doors.metrics),
                "origins": tuple(cors_origins),
            }
        ),
        request_class=ApiRequest,
        request_max_body_size=BODY_BYTES_MAX,
        multipart_form_part_limit=FORM_PARTS_MAX,
        exception_handlers={Exception: problem_of},
        openapi_config=openapi_config(),
        cors_config=_cors(cors_origins) if cors_origins else None,
        compression_config=compression(),
        plugins=[BodySchemas(), PydanticPlugin(), Scopes()],
        logging_config=None,
    )
    methods = {route.path_format: ", ".join(sorted(route.methods)) for route in _http(app)}
    ways = straight(app.asgi_handler, _http(app), guard)
    app.asgi_handler = observed(in_time(ways), Metrics(doors.metrics), methods)
    return app


def _http(app: Litestar) -> list[HTTPRoute]:
    return [route for route in app.routes if isinstance(route, HTTPRoute)]


def _cors(origins: Sequence[str]) -> CORSConfig:
    """Keys travel in a header that a script sets, never in a cookie: no credentials."""
    return CORSConfig(
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=list(SENDABLE_HEADERS),
        expose_headers=list(READABLE_HEADERS),
    )


def create_operations_app(operations: Operations) -> Litestar:
    """Health and metrics of a role that has nothing else to say over HTTP."""
    return Litestar(
        route_handlers=[*system.OPERATIONS],
        state=State({"doors": operations}),
        request_class=ApiRequest,
        exception_handlers={Exception: problem_of},
        openapi_config=None,
        logging_config=None,
    )
