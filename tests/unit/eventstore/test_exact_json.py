"""JSON that reads back as what was written, or an error naming the field."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aigestion.eventstore.exact_json import NESTING_LEVELS_MAX, encode_exactly
from aigestion.kernel.errors import InvalidInput

NAN = float("nan")


def nested(levels: int) -> Any:
    value: Any = "core"
    for level in range(levels):
        value = [value] if level % 2 else {"inner": value}
    return value


class Weight(msgspec.Struct):
    kilograms: float


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("a\0b", "NUL"),
        ({"a": ["b", {"c": "\0"}]}, "NUL"),
        ({"a\0": 1}, "NUL"),
        ("a\ud800", "lone surrogate"),
        ({"a": "\udfff"}, "lone surrogate"),
        ({"\ud800": 1}, "lone surrogate"),
        (NAN, "not finite"),
        (float("inf"), "not finite"),
        ({"a": [1, float("-inf")]}, "not finite"),
        ((1.0, NAN), "not finite"),
        ([Weight(NAN)], "not finite"),
        (nested(NESTING_LEVELS_MAX + 1), "nested deeper"),
        (nested(10_000), "nested deeper"),
        ({1: "a"}, "JSON can hold"),
        (object(), "JSON can hold"),
        pytest.param(10**5000, "JSON can hold", id="an integer of 5001 digits"),
    ],
)
def test_what_would_not_come_back_is_refused_by_name(value: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as refused:
        encode_exactly("properties", value)

    assert refused.value.details["errors"][0]["field"] == "properties"
    assert "properties" in refused.value.message


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("\\u0000 as people write about it", b'"\\\\u0000 as people write about it"'),
        ({"nothing": None, "null": "null", "n": 1.5}, b'{"n":1.5,"nothing":null,"null":"null"}'),
        (None, b"null"),
        ({"b": 1, "a": 2}, b'{"a":2,"b":1}'),
        ("[" * 500, b'"' + b"[" * 500 + b'"'),
        ([[1]] * 200, b"[" + b",".join([b"[1]"] * 200) + b"]"),
        (nested(NESTING_LEVELS_MAX), msgspec.json.encode(nested(NESTING_LEVELS_MAX))),
        (2**70, b"1180591620717411303424"),
        (datetime(2026, 1, 2, 3, 4, 5, 6, UTC), b'"2026-01-02T03:04:05.000006Z"'),
        (UUID(int=1), b'"00000000-0000-0000-0000-000000000001"'),
    ],
)
def test_what_looks_dangerous_and_is_not_is_written(value: Any, encoded: bytes) -> None:
    assert encode_exactly("properties", value) == encoded


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
)  # fmt: skip


@given(JSON)
@example({"a": -0.0, "b": 5e-324, "c": 1.7976931348623157e308})
def test_everything_else_reads_back_equal(value: Any) -> None:
    assert msgspec.json.decode(encode_exactly("properties", value)) == value


@settings(max_examples=40)
@given(st.dictionaries(TEXTS, JSON, min_size=2, max_size=6))
def test_the_order_of_keys_does_not_show_in_the_bytes(value: dict[str, Any]) -> None:
    backwards = dict(reversed(value.items()))

    assert encode_exactly("properties", backwards) == encode_exactly("properties", value)
