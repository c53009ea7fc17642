"""Instructions as a template: `{{date}}` stands for a value that each run fills in."""

import re
from collections.abc import Mapping

VARIABLES = ("agent", "date", "tenant")
"""Its name; the day of the message, in UTC, as `2026-01-31`; whose agent it is. Nothing personal: what a
model was told is kept in clear."""

_VARIABLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


def unknown_variables(text: str) -> list[str]:
    """What stands in double braces and is no variable, each once."""
    names = dict.fromkeys(_VARIABLE.findall(text))
    return [name for name in names if name not in VARIABLES]


def rendered(text: str, values: Mapping[str, str]) -> str:
    """The text with the value of each variable in its place."""
    return _VARIABLE.sub(lambda match: values[match[1]], text)
