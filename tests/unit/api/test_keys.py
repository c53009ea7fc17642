"""API keys: minted, parsed, misspelt."""

import pytest

from aigestion.api.keys import mint_key, parse_key, token_hash


def test_a_minted_key_says_what_the_directory_keeps() -> None:
    minted = mint_key()

    presented = parse_key(minted.key)

    assert presented is not None
    assert (presented.key_id, presented.secret_hash) == (minted.key_id, minted.secret_hash)
    assert minted.secret_hash == token_hash(minted.key)
    assert minted.key.split("_")[2] not in minted.secret_hash


def test_no_two_keys_are_alike() -> None:
    assert len({mint_key().key for _ in range(100)}) == 100


@pytest.mark.parametrize("place", range(5, 80, 7))
def test_a_typo_anywhere_is_refused_without_a_look_up(place: int) -> None:
    key = mint_key().key
    other = "0" if key[place] != "0" else "1"
    if key[place] == "_":
        return

    assert parse_key(key[:place] + other + key[place + 1 :]) is None


@pytest.mark.parametrize(
    "text",
    ["", "aig", "aig_x_y_z", "bearer", "aig_" + "0" * 200, "aig_000000000000_" + "é" * 64 + "_0"],
)
def test_what_is_no_key_is_none(text: str) -> None:
    assert parse_key(text) is None


def test_a_key_with_something_around_it_is_none() -> None:
    key = mint_key().key

    assert parse_key(key + "\n") is None
    assert parse_key(" " + key) is None
