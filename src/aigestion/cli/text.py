"""Text on a terminal: control characters of data escaped, tables that stay plain in a pipe, JSON lines."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

CELL_CHARS_MAX = 120

# C0 and C1 controls, and what reorders or hides text on a terminal (bidi marks, line separators).
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def one_line(text: str) -> str:
    """Data on one line: nothing in it moves the cursor, changes a colour or hides."""
    return (
        text if text.isprintable() else _UNSAFE.sub(_escaped, text)
    )  # the test is 10 times faster


def lines(text: str) -> str:
    """Data on lines of its own: line breaks and tabs stay, everything else is escaped."""
    return _UNSAFE.sub(_escaped_in_lines, text.replace("\r\n", "\n"))


def shortened(text: str, chars_max: int = CELL_CHARS_MAX) -> str:
    """The beginning of a text, on one line."""
    text = one_line(text[: 4 * chars_max].replace("\n", " "))
    return text if len(text) <= chars_max else text[: chars_max - 1] + "…"


def json_line(value: Any) -> str:
    """Compact JSON on one line; harmless on a terminal, and still JSON."""
    import msgspec

    text = msgspec.json.encode(value).decode()
    return text if text.isprintable() else _UNSAFE.sub(_escaped_in_json, text)


def moment(at: datetime) -> str:
    """A time people read: UTC, to the millisecond."""
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}Z"


def second(at: datetime) -> str:
    """A time people read, where there is little room: UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns under a head, two spaces apart; cells are data and come out escaped."""
    from rich.cells import cell_len

    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(head, *cells, strict=True)]

    def joined(row: Sequence[str]) -> str:
        padded = (
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        )
        return "  ".join(padded).rstrip()

    return "\n".join([click.style(joined(head), bold=True), *map(joined, cells)])


def good(text: str) -> str:
    return click.style(text, fg="green")


def doubtful(text: str) -> str:
    return click.style(text, fg="yellow")


def bad(text: str) -> str:
    return click.style(text, fg="red")


def quiet(text: str) -> str:
    return click.style(text, dim=True)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return {9: "\\t", 10: "\\n", 13: "\\r"}.get(
        code, f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    )


def _escaped_in_lines(match: re.Match[str]) -> str:
    return match[0] if match[0] in "\n\t" else _escaped(match)


def _escaped_in_json(match: re.Match[str]) -> str:
    # JSON has these characters in strings only, so an escape means the same.
    return f"\\u{ord(match[0]):04x}"
