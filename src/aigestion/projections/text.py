"""Text as every engine can keep it: PostgreSQL cannot hold a NUL, so it becomes U+FFFD."""

import re
from typing import Any

import msgspec

_NUL_IN_JSON = re.compile(rb"(\\\\)|\\u0000")


def storable(text: str) -> str:
    """The same text without NULs."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def storable_json(value: Any) -> Any:
    """The same JSON value without NULs in its texts and names, however deep it is."""
    encoded = msgspec.json.encode(value)
    if b"\\u0000" not in encoded:
        return value
    return msgspec.json.decode(_NUL_IN_JSON.sub(lambda found: found[1] or b"\\ufffd", encoded))
