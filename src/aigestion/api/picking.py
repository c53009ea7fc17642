"""`fields=`: only the parts of a large answer that its reader names."""

import re
from typing import Any

import msgspec
from litestar import Request
from msgspec import inspect

from aigestion.queries.answer import invalid

FIELDS = "fields"
PICKABLE = (
    "/v1/conversations/{conversation_id}",
    "/v1/documents/{document_id}",
    "/v1/events",
    "/v1/runs/{run_id}",
)
"""The routes whose answers can be large."""
NAMES = r"[a-z_]+(\.[a-z_]+)*(,[a-z_]+(\.[a-z_]+)*)*"
CHARS_MAX = 1_000
DESCRIPTION = "Only these parts of the answer, e.g. `title,messages.text`: the others are left out."

_NAMES = re.compile(NAMES)

Tree = dict[str, "Tree"]
"""The parts of each part; none: the whole of it."""


def picked(request: Request[Any, Any, Any], content: Any) -> Any:
    """The content, or of it what the request names. `InvalidInput` names what there is."""
    named = request.query_params.getall(FIELDS, [])
    if not named or request.scope.get("path_template") not in PICKABLE:
        return content
    if len(named) > 1 or len(named[0]) > CHARS_MAX or not _NAMES.fullmatch(named[0]):
        raise invalid(FIELDS, "must be names of fields, with commas between, said once")
    tree = _tree(named[0])
    _check(tree, inspect.type_info(type(content)), "")
    return _pick(msgspec.to_builtins(content), tree)


def part_of(schema: dict[str, Any]) -> dict[str, Any]:
    """What the OpenAPI document says of such an answer."""
    return {
        "type": "object",
        "title": f"Part of {schema['title']}",
        "description": "What `fields` names of it.",
        "minProperties": 1,
        "properties": {name: {} for name in schema["properties"]},
    }


def _tree(text: str) -> Tree:
    tree: Tree = {}
    whole: set[str] = set()
    for path in sorted(text.split(","), key=len):
        if any(path.startswith(f"{one}.") for one in whole):
            continue  # it is asked for as a whole
        whole.add(path)
        branch = tree
        for name in path.split("."):
            branch = branch.setdefault(name, {})
    return tree


def _check(tree: Tree, kind: inspect.Type, path: str) -> None:
    if not tree:
        return
    match kind:
        case inspect.StructType(fields=fields):
            kinds = {one.encode_name: one.type for one in fields}
            for name, branch in tree.items():
                if name not in kinds:
                    raise invalid(FIELDS, f"{path}{name} is no field; there are {', '.join(kinds)}")
                _check(branch, kinds[name], f"{path}{name}.")
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            _check(tree, item, path)
        case inspect.UnionType(types=types):
            (kind,) = [one for one in types if not isinstance(one, inspect.NoneType)][:1]
            _check(tree, kind, path)
        case inspect.AnyType() | inspect.DictType():
            pass
        case _:
            raise invalid(FIELDS, f"{path.removesuffix('.')} has no fields")


def _pick(value: Any, tree: Tree) -> Any:
    if not tree:
        return value
    if isinstance(value, list):
        return [_pick(one, tree) for one in value]
    if isinstance(value, dict):
        return {name: _pick(one, tree[name]) for name, one in value.items() if name in tree}
    return value
