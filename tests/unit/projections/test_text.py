"""Text as every engine can keep it."""

import pytest

from aigestion.projections.text import storable, storable_json


def test_a_nul_becomes_the_replacement_character() -> None:
    assert storable("a\0b") == "a\ufffdb"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a\0": ["b\0", {"c": "\0"}]}, {"a\ufffd": ["b\ufffd", {"c": "\ufffd"}]}),
        ({"a": r"no NUL: \u0000"}, {"a": r"no NUL: \u0000"}),
        ({"a": "\\\0", "b": 1.0, "c": None}, {"a": "\\\ufffd", "b": 1.0, "c": None}),
        ({"a": r"\\u0000" + "\0"}, {"a": r"\\u0000" + "\ufffd"}),
    ],
)
def test_nuls_are_found_wherever_they_are_in_a_value(value: object, expected: object) -> None:
    assert storable_json(value) == expected
