"""Text on a terminal: data cannot move the cursor, change a colour or hide."""

import json
from datetime import UTC, datetime, timedelta, timezone

import click
import pytest

from aigestion.cli.text import json_line, lines, moment, one_line, second, shortened, table

NASTY = "a\x1b[31mred\x07\x9b2J\x7f\u202eevil\u2028end\x00"


@pytest.mark.parametrize("escape", [one_line, lines, shortened, json_line])
def test_control_characters_are_escaped(escape: "object") -> None:
    shown = escape(NASTY)  # type: ignore[operator]

    assert not any(ord(c) < 32 or 0x7F <= ord(c) <= 0x9F or c in "\u202e\u2028" for c in shown)
    assert "red" in shown


def test_escapes_can_be_read_back() -> None:
    assert one_line("\x1b[2J\t\n\r\u202e") == "\\x1b[2J\\t\\n\\r\\u202e"


def test_ordinary_text_of_any_language_stays_as_it_is() -> None:
    text = "¿Qué tal? 你好 👩\u200d🚀 e\u0301"

    assert one_line(text) == lines(text) == text
    assert json.loads(json_line(text)) == text
    assert "你好" in json_line(text)


def test_lines_keep_line_breaks_and_tabs() -> None:
    assert lines("a\r\n\tb\rc") == "a\n\tb\\rc"


def test_json_with_escapes_means_the_same() -> None:
    value = {"text": NASTY, "at": datetime(2026, 1, 1, tzinfo=UTC)}

    assert json.loads(json_line(value))["text"] == NASTY
    assert "\n" not in json_line(value)


def test_a_long_text_is_cut_and_says_so() -> None:
    assert shortened("x" * 200, 10) == "x" * 9 + "…"
    assert shortened("two\nlines", 20) == "two lines"
    assert shortened("exactly 10", 10) == "exactly 10"


def test_columns_stand_under_their_heads_whatever_the_width_of_characters() -> None:
    drawn = click.unstyle(table(["NAME", "N"], [["你好", "1"], ["a\x1bb", "22"]]))

    assert drawn.split("\n") == ["NAME    N", "你好    1", "a\\x1bb  22"]


def test_a_moment_is_utc_to_the_millisecond() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=timezone(timedelta(hours=2)))

    assert moment(at) == "2026-01-02 01:04:05.678Z"
    assert second(at) == "2026-01-02 01:04:05Z"
