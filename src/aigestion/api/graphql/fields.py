"""A field for a route: the route's own parameters are its arguments, and its own function answers."""

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from enum import Enum
from typing import Annotated, Any, get_args

import strawberry
from litestar.exceptions import ValidationException
from litestar.handlers import HTTPRouteHandler
from litestar.typing import FieldDefinition
from strawberry.utils.str_converters import to_camel_case

from aigestion.api.answers import Answered
from aigestion.api.errors import bad_fields
from aigestion.api.graphql.shapes import Shapes
from aigestion.api.limits import CHARGE
from aigestion.api.request import ApiRequest
from aigestion.events.described import sentence
from aigestion.kernel.errors import InvalidInput
from aigestion.ratelimit.routes import READ

ASKS = "asks"
"""Where a field keeps how many units of reading it costs to ask it once."""
INT_MAX = 2**31 - 1
"""What GraphQL's own `Int` can hold."""
NOT_ARGUMENTS = frozenset({"request", "form", "last_event_id"})
"""What only HTTP has."""


def field_of(
    shapes: Shapes, route: HTTPRouteHandler, *, given: Mapping[str, str] | None = None
) -> Any:
    """A field that answers what the route answers; null, and an error beside it, where that refuses.

    `given`: parameters of the route that are attributes of the object around it.
    """
    given = given or {}

    async def resolve(root: Any, info: strawberry.Info, **arguments: Any) -> Any:
        of_root = {name: getattr(root, attribute) for name, attribute in given.items()}
        return await info.context.ask(route, {**arguments, **of_root})

    returned = route.parsed_fn_signature.return_type.annotation
    shape = shapes.of(get_args(returned)[0] if _is_answered(returned) else returned)
    return strawberry.field(
        resolver=_taking(resolve, shapes, route, given),
        graphql_type=shape | None,
        description=sentence(route.fn),
        metadata={ASKS: route.opt.get(CHARGE, READ).cost},
    )


def subscription_of(
    shapes: Shapes,
    route: HTTPRouteHandler,
    item: type[Any],
    source: Callable[..., AsyncGenerator[Any, None]],
) -> Any:
    """A subscription with the parameters of a route that streams; `source` makes its items of them."""

    async def resolve(root: Any, info: strawberry.Info, **arguments: Any) -> AsyncIterator[Any]:
        request: ApiRequest = info.context.request
        values = checked(request, route, arguments)
        taken = {name: values[name] for name in ("request", *arguments)}
        async with aclosing(source(**taken)) as items:
            async for one in items:
                yield one

    return strawberry.subscription(
        resolver=_taking(resolve, shapes, route, {}, returns=AsyncIterator[shapes.of(item)]),  # type: ignore[misc]
        description=sentence(item),
        metadata={ASKS: route.opt.get(CHARGE, READ).cost},
    )


def checked(
    request: ApiRequest, route: HTTPRouteHandler, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """What the route's function is called with; `InvalidInput` for what the route would refuse."""
    plain = {name: one.value if isinstance(one, Enum) else one for name, one in arguments.items()}
    try:
        return route.signature_model.parse_values_from_connection_kwargs(
            request, {"request": request, **plain}
        )
    except ValidationException as error:
        fields = bad_fields(route, error)
        raise InvalidInput("The request is not valid.", errors=fields) from error


def _is_answered(returned: Any) -> bool:
    return getattr(returned, "__origin__", None) is Answered


def _taking(
    resolve: Any,
    shapes: Shapes,
    route: HTTPRouteHandler,
    given: Mapping[str, str],
    *,
    returns: Any = Any,
) -> Any:
    """The resolver, with a signature that says what the route's says."""
    parameters = route.parsed_fn_signature.parameters
    arguments = [
        _argument(shapes, one)
        for name, one in parameters.items()
        if name not in NOT_ARGUMENTS and name not in given
    ]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    resolve.__signature__ = inspect.Signature(
        [
            inspect.Parameter("root", kind, annotation=Any),
            inspect.Parameter("info", kind, annotation=strawberry.Info),
            *arguments,
        ],
        return_annotation=returns,
    )
    return resolve


def _argument(shapes: Shapes, parameter: FieldDefinition) -> inspect.Parameter:
    stated: Any = parameter.kwarg_definition
    shape = shapes.of(parameter.annotation)
    if parameter.annotation is int and (stated.le or INT_MAX) <= INT_MAX:
        shape = int
    named = strawberry.argument(
        name=to_camel_case(getattr(stated, "name", None) or parameter.name),
        description=getattr(stated, "description", None),
    )
    return inspect.Parameter(
        parameter.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=parameter.default if parameter.has_default else inspect.Parameter.empty,
        annotation=Annotated[shape, named],
    )
