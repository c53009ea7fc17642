"""The OpenAPI document, and its page: served from files of this installation, no CDN."""

import re
from copy import deepcopy
from typing import Any

from litestar import Request, Response, Router, get
from litestar._openapi.schema_generation import SchemaCreator
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Components, License, Schema, SecurityScheme
from litestar.params import FromPath
from litestar.plugins.pydantic import PydanticSchemaPlugin
from litestar.typing import FieldDefinition
from openapi_ui_bundles.swagger_ui import static_path
from pydantic import RootModel

from aigestion import __version__
from aigestion.api.body import Body
from aigestion.api.picking import CHARS_MAX, DESCRIPTION, FIELDS, NAMES, PICKABLE, part_of
from aigestion.queries.answer import BIGINT_MAX

PATH = "/schema"
OPEN: list[dict[str, list[str]]] = [{}]
"""For routes that need no key."""
OPERATOR: list[dict[str, list[str]]] = [{"operator": []}]

_DESCRIPTION = """
Say something in a conversation, stream the answer, search, report: over one event log.

* **Positions.** Every answer carries `Aigestion-Position`, the position of the log it reflects. Pass the
  position a command answered as `min_position` to a query, and the query waits until it can show it.
* **Repeats.** A POST with an `Idempotency-Key` can be sent again: the first answer comes again.
* **Keys.** A key has scopes: `read` (queries), `write` (commands), `events` (the log and streams), `admin`
  (keys and agents of the tenant), `agent` (answer as an agent that runs elsewhere). Each path names the one it
  needs; without it the answer is 403 `scope-missing`. A key that ends closes its streams too: their last event is
  `end`, with the code. A stream whose reader takes nothing for 30 seconds ends with `dropped`, if that is still
  taken: its `after` is the position to go on behind.
* **Sockets.** `/v1/conversations/{conversation_id}/socket` is a conversation over one WebSocket, both ways: the
  events and pieces of its stream come in, interactions go out. This document has no words for it: what goes over it,
  and the codes it is closed with, are in the reference page `socket.md`.
* **Users.** A key belongs to a tenant. `Aigestion-User: <id>` says for which of its users a request is made.
* **Limits.** Where limits are set, answers carry `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`:
  what may be asked for in a minute, what is left of it, and in how many seconds all of it is free again.
* **Errors** are problem details (RFC 9457) with a stable `code`; 400 is for what is wrong with the request
  itself, 409 and 422 for what is wrong in the light of what was recorded before.
"""

_GENERIC = re.compile(r"^(#/components/schemas/|)([A-Z]\w*?)_(?:\w+\.)+(\w+?)_$")
"""How the framework names a generic type and its argument."""

_FILES = {
    "swagger-ui.css": "text/css",
    "index.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-standalone-preset.js": "text/javascript",
    "favicon-16x16.png": "image/png",
    "favicon-32x32.png": "image/png",
}
_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>AIGestion API</title>
<link rel="icon" type="image/png" href="{PATH}/ui/favicon-32x32.png" sizes="32x32">
<link rel="stylesheet" href="{PATH}/ui/swagger-ui.css">
<link rel="stylesheet" href="{PATH}/ui/index.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{PATH}/ui/swagger-ui-bundle.js"></script>
<script src="{PATH}/ui/swagger-ui-standalone-preset.js"></script>
<script src="{PATH}/ui/start.js"></script>
</body>
</html>
""".encode()
_START = f"""window.ui = SwaggerUIBundle({{
  url: "{PATH}/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  layout: "StandaloneLayout",
}});
""".encode()
_CACHED = {"Cache-Control": "public, max-age=86400"}
_PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
}


class SwaggerPage(OpenAPIRenderPlugin):
    """Swagger UI. Its start is a file of its own, so that the page needs no inline script."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return _PAGE

    def receive_router(self, router: Router) -> None:
        router.register(_file)


@get("/ui/{name:str}", sync_to_thread=False)
def _file(name: FromPath[str]) -> Response[bytes]:
    if name == "start.js":
        return Response(_START, media_type="text/javascript", headers=_CACHED)
    if name not in _FILES:
        raise NotFoundException
    content = (static_path / name).read_bytes()
    return Response(content, media_type=_FILES[name], headers=_CACHED)


class Document(JsonRenderPlugin):
    """The document itself, `exact`."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return self.render_json(request, exact(openapi_schema))


def exact(document: dict[str, Any]) -> dict[str, Any]:
    """The framework's document put right: bodies as their models describe them, no content where there is
    none, parameters that are there or not but never null, whole numbers as whole numbers (a limit of
    64 bits is none that a float can hold), and names without the modules they come from."""
    # A copy, for the framework hands out the same one each time.
    document = _plainly_named(deepcopy(document))
    schemas: dict[str, Any] = document["components"]["schemas"]
    told = {
        model.__name__: model.model_json_schema(ref_template="#/components/schemas/{model}")
        for model in Body.__subclasses__()
        if model.__name__ in schemas
    }
    for schema in told.values():
        schema.pop("$defs", None)  # each is a component of its own
        schema.setdefault("required", [])
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].get("204", {}).pop("content", None)
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _not_null(parameter["schema"])
    for path_name in PICKABLE:
        _offer_fields(document["paths"][path_name]["get"], schemas)
    components = {**document["components"], "schemas": {**schemas, **told}}
    whole: dict[str, Any] = _whole({**document, "components": components})
    return whole


def _plainly_named(value: Any) -> Any:
    """`Page[RunSummary]` is `RunSummaryPage`, as in the GraphQL schema; `Recorded[Any]` is `Recorded`."""
    match value:
        case dict():
            return {_plain_name(key): _plainly_named(one) for key, one in value.items()}
        case list():
            return [_plainly_named(one) for one in value]
        case str():
            return _plain_name(value)
        case _:
            return value


def _plain_name(text: str) -> str:
    if (generic := _GENERIC.match(text)) is None:
        return text
    where, kind, argument = generic.groups()
    return f"{where}{'' if argument == 'Any' else argument}{kind}"


def _offer_fields(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Says of an operation that it may be asked for parts of its answer."""
    answer = operation["responses"]["200"]["content"]["application/json"]
    name = answer["schema"]["$ref"].rpartition("/")[2]
    schemas[f"{name}Part"] = part_of(schemas[name])
    part = {"$ref": f"#/components/schemas/{name}Part"}
    answer["schema"] = {"anyOf": [answer["schema"], part]}
    names = {"type": "string", "minLength": 1, "maxLength": CHARS_MAX, "pattern": f"^{NAMES}$"}
    operation.setdefault("parameters", []).append(
        {"name": FIELDS, "in": "query", "description": DESCRIPTION, "schema": names}
    )


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a value that is there."""
    kept = dict(schema)
    if "enum" in kept:
        kept["enum"] = [one for one in kept["enum"] if one is not None]
    if isinstance(kept.get("type"), list):
        types = [one for one in kept["type"] if one != "null"]
        kept["type"] = types[0] if len(types) == 1 else types
    if "oneOf" in kept:
        forms = [one for one in kept.pop("oneOf") if one != {"type": "null"}]
        return {**kept, **(forms[0] if len(forms) == 1 else {"oneOf": forms})}
    return kept


def _whole(value: Any) -> Any:
    match value:
        case dict():
            return {name: _whole(one) for name, one in value.items()}
        case list():
            return [_whole(one) for one in value]
        case float() if value.is_integer():
            return min(int(value), BIGINT_MAX)
        case _:
            return value


class BodySchemas(PydanticSchemaPlugin):
    """Says of a body that is one of several that it is just that."""

    def to_openapi_schema(
        self, field_definition: FieldDefinition, schema_creator: SchemaCreator
    ) -> Schema:
        model = field_definition.annotation
        if not issubclass(model, RootModel):
            return super().to_openapi_schema(field_definition, schema_creator)
        root = FieldDefinition.from_annotation(model.model_fields["root"].annotation)
        union = schema_creator.for_field_definition(root)
        assert isinstance(union, Schema)
        union.description = model.__doc__
        return union


async def _finish(response: Response[Any]) -> Response[Any]:
    """The framework answers an unknown path here with a page of its own; ours is a problem."""
    if response.status_code == 404:
        raise NotFoundException
    for name, value in _PAGE_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def openapi_config() -> OpenAPIConfig:
    """The document's frame; routes fill it."""
    return OpenAPIConfig(
        title="AIGestion",
        version=__version__,
        description=_DESCRIPTION,
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        security=[{"key": []}],
        components=Components(
            security_schemes={
                "key": SecurityScheme(
                    type="http",
                    scheme="bearer",
                    bearer_format="aig_<id>_<secret>_<crc>",
                    description="A tenant's API key.",
                ),
                "operator": SecurityScheme(
                    type="http",
                    scheme="bearer",
                    description="The token of whoever runs this installation.",
                ),
            }
        ),
        render_plugins=[SwaggerPage(), Document()],
        use_handler_docstrings=True,
        operation_id_creator=lambda handler, _method, _path: handler.handler_name,
        openapi_router=Router(
            PATH, route_handlers=[], include_in_schema=False, after_request=_finish
        ),
    )
