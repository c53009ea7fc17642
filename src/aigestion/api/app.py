"""The HTTP application: routes, guards, errors, put together."""

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.plugins.pydantic import PydanticPlugin

from aigestion.api import system
from aigestion.api.auth import Keys, require_key, require_key_within_limits
from aigestion.api.body import BODY_BYTES_MAX
from aigestion.api.doors import Doors, Operations
from aigestion.api.errors import problem_of
from aigestion.api.limits import Charging
from aigestion.api.observed import Metrics, observed
from aigestion.api.openapi import BodySchemas, openapi_config
from aigestion.api.request import ApiRequest
from aigestion.api.sse import OpenStreams
from aigestion.api.v1.analytics import analytics
from aigestion.api.v1.conversations import conversations
from aigestion.api.v1.documents import documents
from aigestion.api.v1.events import read_events
from aigestion.api.v1.interactions import post_interaction
from aigestion.api.v1.new_document import FORM_PARTS_MAX
from aigestion.api.v1.projections import projections
from aigestion.api.v1.search import search
from aigestion.api.v1.stream import stream


def create_app(doors: Doors) -> Litestar:
    """The application. It starts and stops nothing: what is behind the doors is running already."""
    charging = Charging(doors.limiter, doors.metrics) if doors.limiter is not None else None
    app = Litestar(
        route_handlers=[
            Router(
                "/v1",
                before_request=require_key if charging is None else require_key_within_limits,
                route_handlers=[
                    conversations,
                    post_interaction,
                    stream,
                    search,
                    analytics,
                    read_events,
                    documents,
                ],
            ),
            Router("/v1", route_handlers=[projections]),
            *system.ROUTES,
        ],
        state=State(
            {
                "doors": doors,
                "api_keys": Keys(doors.directory),
                "charging": charging,
                "streams": OpenStreams(doors.metrics),
            }
        ),
        request_class=ApiRequest,
        request_max_body_size=BODY_BYTES_MAX,
        multipart_form_part_limit=FORM_PARTS_MAX,
        exception_handlers={Exception: problem_of},
        openapi_config=openapi_config(),
        plugins=[BodySchemas(), PydanticPlugin()],
        logging_config=None,
    )
    app.asgi_handler = observed(app.asgi_handler, Metrics(doors.metrics))
    return app


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
