"""Cursors: opaque, bound to their question, refused when they are not ours."""

import base64

import msgspec
import pytest

from aigestion.kernel.errors import InvalidInput
from aigestion.queries.answer import Cursors, checked_limit


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    score: float
    id: str


QUESTION = ("search", "demo", "dense")


def test_a_cursor_comes_back_exactly() -> None:
    key = Key(0.1 + 0.2, "ñ/0")
    cursors = Cursors(Key, QUESTION)

    assert cursors.decode(cursors.encode(key)) == key
    assert cursors.decode(None) is None


def test_a_cursor_is_safe_in_a_url() -> None:
    cursor = Cursors(Key, QUESTION).encode(Key(1 / 3, "???>>>~~~"))

    assert cursor.replace("-", "").replace("_", "").isalnum()


def forged(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def rebound(cursor: str, key: bytes) -> str:
    """A cursor with the right question and another key."""
    content = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    return forged(content[: content.index(b'"k":') + 4] + key + b"}")


OURS = Cursors(Key, QUESTION).encode(Key(0.5, "a"))


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "?",
        "ñ",
        OURS[:-1],
        OURS + "AAAA",
        OURS * 100,
        Cursors(Key, ("search", "acme", "dense")).encode(Key(0.5, "a")),
        forged(b"null"),
        forged(b"[" * 300),
        forged(b"\xff\xfe"),
        rebound(OURS, b"null"),
        rebound(OURS, b'{"score":"high","id":"a"}'),
        rebound(OURS, b'{"score":0.5,"id":"a","more":1}'),
    ],
)
def test_what_is_not_a_cursor_of_this_question_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Cursors(Key, QUESTION).decode(cursor)

    assert caught.value.details["errors"][0]["field"] == "cursor"


def test_a_page_has_a_cursor_only_if_there_is_more() -> None:
    cursors = Cursors(Key, QUESTION)
    keys = [Key(0.5, "a"), Key(0.4, "b"), Key(0.3, "c")]

    more = cursors.page(keys, 2, lambda key: key)
    last = cursors.page(keys, 3, lambda key: key)

    assert (more.items, cursors.decode(more.next_cursor)) == (keys[:2], keys[1])
    assert (last.items, last.next_cursor) == (keys, None)
    assert cursors.page([], 3, lambda key: key).items == []


@pytest.mark.parametrize("limit", [0, -1, 201, 10**9])
def test_a_limit_out_of_bounds_is_refused(limit: int) -> None:
    with pytest.raises(InvalidInput):
        checked_limit(limit)

    assert checked_limit(200) == 200
