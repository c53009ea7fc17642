"""Identifiers are the standard library's, whichever way is the quickest to make them."""

from uuid import UUID

import msgspec
import pytest

from aigestion.kernel.ids import id_of, new_id, text_of


def test_a_fresh_one_is_ordered_by_its_time() -> None:
    made = [new_id() for _ in range(1_000)]

    assert {(type(one), one.version) for one in made} == {(UUID, 7)}
    assert made == sorted(set(made))


def test_one_is_what_its_characters_write() -> None:
    one = new_id()

    assert id_of(text_of(one)) == one
    assert (text_of(one), type(id_of(str(one)))) == (str(one), UUID)
    with pytest.raises(msgspec.ValidationError):
        id_of("none")
