"""How much a GraphQL document may ask for. What it is made of is judged before it is validated, its cost after."""

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import msgspec
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    Lexer,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    Source,
    TokenKind,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
)

from aigestion.api.graphql.fields import ASKS
from aigestion.kernel.errors import TooComplex
from aigestion.queries.answer import PAGE_ITEMS_MAX

CHARS_MAX = 20_000
TOKENS_MAX = 2_000
SELECTIONS_MAX = 1_000
"""Fields and spreads, with every fragment written out wherever it is spread."""
REPEATS_MAX = 50
"""Fields that are asked for again beside themselves: validation compares each with each."""
DEPTH_MAX = 16
"""Enough for what tools ask when they read the schema."""
ALIASES_MAX = 20
COST_MAX = 1_000
LIST_ITEMS_ASSUMED = 20
"""How many items a list counts that has no `limit`."""
INTROSPECTION_COST = 5

Fragments = Mapping[str, FragmentDefinitionNode]


class Cost(msgspec.Struct):
    """What a document asks for, at the most."""

    units: int = 0
    """As the same questions cost on the other routes; charged to the limits of key and tenant."""
    items: int = 0

    @property
    def total(self) -> int:
        return self.units + self.items


def check_size(document: str) -> None:
    """Raises `TooComplex` before anything is made of the text; `GraphQLSyntaxError` if it is none."""
    _check("length", len(document), CHARS_MAX)
    lexer, tokens = Lexer(Source(document)), 0
    while lexer.advance().kind is not TokenKind.EOF:
        tokens += 1
        _check("number of tokens", tokens, TOKENS_MAX)


def check_shape(document: DocumentNode) -> None:
    """Raises `TooComplex` for what would make validation or the run of it dear, whatever is asked for."""
    fragments = fragments_of(document)
    selections = aliases = repeats = 0
    for definition in document.definitions:
        seen: set[tuple[int, str]] = set()
        root = getattr(definition, "selection_set", None)
        for selection, depth, beside in _selections(root, fragments) if root else ():
            selections += 1
            _check("number of selections", selections, SELECTIONS_MAX)
            _check("depth", depth, DEPTH_MAX)
            if isinstance(selection, FieldNode):
                key = beside, (selection.alias or selection.name).value
                repeats += key in seen
                seen.add(key)
                aliases += selection.alias is not None
                _check("number of repeated fields", repeats, REPEATS_MAX)
                _check("number of aliases", aliases, ALIASES_MAX)


def check_cost(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
) -> Cost:
    """What a valid operation costs; `TooComplex` if it is more than `COST_MAX`.

    A field that asks costs what its route costs, and an item of a list of objects one; all within a list
    times its items. A list has as many items as its `limit` says, or `LIST_ITEMS_ASSUMED`.
    """
    cost, fragments = Cost(), fragments_of(document)
    root = schema.get_root_type(operation.operation)
    waiting = [(operation.selection_set, root, 1, LIST_ITEMS_ASSUMED)]
    while waiting:
        selections, parent, times, length = waiting.pop()
        for one in selections.selections:
            match one:
                case FragmentSpreadNode():
                    inner = fragments[one.name.value].selection_set
                    waiting.append((inner, parent, times, length))
                case InlineFragmentNode():
                    waiting.append((one.selection_set, parent, times, length))
                case FieldNode() if one.name.value.startswith("__"):
                    cost.units += INTROSPECTION_COST * times * (one.selection_set is not None)
                case FieldNode():
                    assert isinstance(parent, GraphQLObjectType)
                    waiting += _costed(cost, parent, one, variables, times, length)
                case _:
                    pass
    _check("cost", cost.total, COST_MAX)
    return cost


def fragments_of(document: DocumentNode) -> Fragments:
    """By name."""
    definitions = document.definitions
    return {one.name.value: one for one in definitions if isinstance(one, FragmentDefinitionNode)}


def _selections(
    root: SelectionSetNode, fragments: Fragments
) -> Iterator[tuple[SelectionNode, int, int]]:
    """Every selection, how deep it is, and a number that those of one object have in common.

    Fragments are written out; one within itself is left out.
    """
    objects = count(1)
    waiting = [(root, 1, 0, frozenset[str]())]
    while waiting:
        selections, depth, beside, inside = waiting.pop()
        for one in selections.selections:
            yield one, depth, beside
            match one:
                case FieldNode(selection_set=SelectionSetNode() as inner):
                    waiting.append((inner, depth + 1, next(objects), inside))
                case InlineFragmentNode(selection_set=inner):
                    waiting.append((inner, depth, beside, inside))
                case FragmentSpreadNode():
                    name = one.name.value
                    if name in fragments and name not in inside:
                        within = fragments[name].selection_set
                        waiting.append((within, depth, beside, inside | {name}))
                case _:
                    pass


def _costed(
    cost: Cost,
    parent: GraphQLObjectType,
    node: FieldNode,
    variables: Mapping[str, Any],
    times: int,
    length: int,
) -> list[tuple[SelectionSetNode, Any, int, int]]:
    """Adds a field to the cost; what is left to add are its own fields."""
    field = parent.fields[node.name.value]
    asks = field.extensions["strawberry-definition"].metadata.get(ASKS)
    if asks is not None:
        cost.units += asks * times
        length = _limit(field, node, variables)
    inner = get_named_type(field.type)
    if not is_composite_type(inner) or node.selection_set is None:
        return []
    if is_list_type(get_nullable_type(field.type)):
        times, length = times * length, LIST_ITEMS_ASSUMED
        cost.items += times
    return [(node.selection_set, inner, times, length)]


def _limit(field: GraphQLField, node: FieldNode, variables: Mapping[str, Any]) -> int:
    """How many items the field may bring. One that it will be refused counts as the largest."""
    if "limit" not in field.args:
        return LIST_ITEMS_ASSUMED
    given = next((one.value for one in node.arguments or () if one.name.value == "limit"), None)
    match given:
        case IntValueNode():
            limit = int(given.value)
        case VariableNode() if given.name.value in variables:
            limit = variables[given.name.value]
        case _:
            limit = field.args["limit"].default_value
    return limit if isinstance(limit, int) and 0 < limit <= PAGE_ITEMS_MAX else PAGE_ITEMS_MAX


def _check(measure: str, came_to: int, limit: int) -> None:
    if came_to > limit:
        raise TooComplex(
            f"The document asks for too much: its {measure} is {came_to}, and the limit is {limit}.",
            measure=measure,
            limit=limit,
            came_to=came_to,
        )
