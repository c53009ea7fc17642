"""The little Markdown that reference pages need."""

from collections.abc import Iterable, Sequence

MADE = "<!-- Made from the catalogs by `make reference`; do not edit. -->"


def page(title: str, intro: str, *parts: str, made: str = MADE) -> str:
    """A whole page."""
    return "\n\n".join([f"# {title}", made, intro, *(part for part in parts if part)]) + "\n"


def section(title: str, *parts: str) -> str:
    return "\n\n".join([f"## {title}", *(part for part in parts if part)])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells may hold Markdown, but no line breaks and no unescaped bars."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def code(text: str, language: str = "") -> str:
    return f"```{language}\n{text.rstrip()}\n```"


def literal(text: str) -> str:
    """A name, a value, a type."""
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
