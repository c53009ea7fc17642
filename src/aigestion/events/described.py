"""What the source says about a class and its fields, for the documents that are made from the catalogs."""

import ast
import inspect
import textwrap
from typing import Any


def sentence(described: Any) -> str:
    """The first paragraph of a docstring, on one line; empty if there is none."""
    text = inspect.getdoc(described) or ""
    return " ".join(text.split("\n\n")[0].split())


def field_sentences(described: type[Any]) -> dict[str, str]:
    """Field -> the text under it in the source. Empty where the source is not installed."""
    try:
        source = textwrap.dedent(inspect.getsource(described))
    except (OSError, TypeError):
        return {}
    (class_node,) = ast.parse(source).body
    assert isinstance(class_node, ast.ClassDef)
    found = {}
    for field, text in zip(class_node.body, class_node.body[1:], strict=False):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str() as said)),
            ):
                found[name] = " ".join(said.split())
            case _:
                pass
    return found
