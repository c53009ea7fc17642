"""What a user did, as words."""

from typing import Any

import pytest

from aigestion.projections.action_words import WORDS_CHARS_MAX, action_words


@pytest.mark.parametrize(
    ("name", "properties", "words"),
    [
        ("click", {}, "click"),
        ("ticket.bought", {"seats": 2}, "ticket.bought ticket bought; seats: 2"),
        ("addToCart", {}, "addToCart add To Cart"),
        ("cart_opened", {"a": None, "b": True}, "cart_opened cart opened; b: true"),
        (
            "buy",
            {"buyer": {"name": "Ana"}, "of": [{"item": "boat"}, "oar", 1.5]},
            "buy; buyer.name: Ana; of.item: boat; of: oar; of: 1.5",
        ),
    ],
)
def test_names_are_found_whole_and_in_parts_and_properties_with_their_way(
    name: str, properties: dict[str, Any], words: str
) -> None:
    assert action_words(name, properties) == words


def test_there_are_no_more_words_than_can_be_searched() -> None:
    many = {str(n): "word " * 100 for n in range(5_000)}

    assert len(action_words("much", many)) == WORDS_CHARS_MAX
