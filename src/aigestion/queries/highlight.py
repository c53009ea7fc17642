"""The part of a text where the words were found, as HTML."""

import html
from collections.abc import Iterable

HIGHLIGHT_CHARS_MAX = 240
LEAD_CHARS_MAX = 60
"""How much of the text before the first match is shown."""

_START, _STOP = "\ue000", "\ue001"

Span = tuple[int, int]


def highlight(text: str, marked: list[str]) -> str:
    """The stretch of `text` with the most matches: matches in `<mark>`, everything else escaped.

    `marked` holds variants of the text of the same length, matches between U+E000 and U+E001.
    """
    spans = _union(span for variant in marked for span in _spans(variant, len(text)))
    start, end = _window(text, spans)
    parts = ["…" if start > 0 else ""]
    at = start
    for left, right in spans:
        if start <= left and right <= end:
            parts += [html.escape(text[at:left]), f"<mark>{html.escape(text[left:right])}</mark>"]
            at = right
    parts += [html.escape(text[at:end]), "…" if end < len(text) else ""]
    return "".join(parts)


def _spans(marked: str, length: int) -> list[Span]:
    """Where the marks are in the text without them; none if that is not as long as the text."""
    before, *matches = marked.split(_START)
    spans = []
    at = len(before)
    for piece in matches:
        match, _, rest = piece.partition(_STOP)
        spans.append((at, at + len(match)))
        at += len(match) + len(rest)
    return spans if at == length else []


def _union(spans: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for left, right in sorted(spans):
        if joined and left <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(right, joined[-1][1]))
        else:
            joined.append((left, right))
    return joined


def _window(text: str, spans: list[Span]) -> Span:
    """The stretch that is shown: it begins and ends between words where it can."""
    if len(text) <= HIGHLIGHT_CHARS_MAX:
        return 0, len(text)
    start = max(0, _densest(spans) - LEAD_CHARS_MAX)
    if start > 0:
        space = text.find(" ", start, start + LEAD_CHARS_MAX)
        start = space + 1 if space >= 0 else start
    end = min(len(text), start + HIGHLIGHT_CHARS_MAX)
    if end < len(text):
        space = text.rfind(" ", end - LEAD_CHARS_MAX, end)
        end = space if space >= 0 else end
    return start, end


def _densest(spans: list[Span]) -> int:
    """Where the stretch with the most matches begins."""
    reach = HIGHLIGHT_CHARS_MAX - 2 * LEAD_CHARS_MAX
    starts = [left for left, _ in spans]
    best, most, last = 0, 0, 0
    for first, start in enumerate(starts):
        while last < len(starts) and starts[last] <= start + reach:
            last += 1
        if last - first > most:
            best, most = start, last - first
    return best
