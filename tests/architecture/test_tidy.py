"""The house rules a tool can check: short modules, short functions, a first line that says what for."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES_MAX = 320
FUNCTION_LINES_MAX = 60
VAGUE = re.compile(r"(Manager|Service|Handler|Processor|Helper|Util|Utils|Impl|DTO)$")
MODULES = sorted((ROOT / "src/aigestion").rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_a_module_is_tidy(module: Path) -> None:
    text = module.read_text()
    tree = ast.parse(text)

    assert faults(text, tree) == []


def test_the_check_finds_what_it_is_for() -> None:
    body = "\n".join("    x = 1" for _ in range(FUNCTION_LINES_MAX + 1))
    text = f"class RowHelper:\n    pass\n\n\ndef long():\n{body}\n" + "\n" * LINES_MAX

    found = faults(text, ast.parse(text))

    assert [fault.split(":")[0] for fault in found] == ["docstring", "lines", "name", "function"]


def faults(text: str, tree: ast.Module) -> list[str]:
    found = []
    if text.strip() and not ast.get_docstring(tree):
        found.append("docstring: the first line must say what the module is for")
    if (lines := text.count("\n")) > LINES_MAX:
        found.append(f"lines: {lines} is more than {LINES_MAX}")
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and VAGUE.search(node.name):
            found.append(f"name: {node.name} says nothing")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno
            if length > FUNCTION_LINES_MAX:
                found.append(f"function: {node.name} has {length} lines")
    return found
