"""What a user did as words to search for: the action's name, and its properties one after the other."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

WORDS_CHARS_MAX = 20_000
PROPERTIES_MAX = 1_000

_SEAMS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^\w]+|_+")


def action_words(name: str, properties: dict[str, Any]) -> str:
    """`ticket.bought ticket bought; seats: 2; buyer.name: Ana`: found whole and in parts."""
    parts = " ".join(word for word in _SEAMS.split(name) if word)
    named = name if parts == name else f"{name} {parts}"
    leaves = (f"{path}: {value}" for path, value in islice(_leaves(properties, ""), PROPERTIES_MAX))
    return "; ".join((named, *leaves))[:WORDS_CHARS_MAX]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every value that is not made of others, with the way to it."""
    match value:
        case dict():
            for name, one in value.items():
                yield from _leaves(one, f"{path}.{name}" if path else name)
        case list():
            for one in value:
                yield from _leaves(one, path)
        case str():
            yield path, value
        case None:
            return
        case _:
            yield path, msgspec.json.encode(value).decode()
