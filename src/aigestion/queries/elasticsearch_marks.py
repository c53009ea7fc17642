"""Where in a text words were found: asked of Elasticsearch, and read from its answer."""

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from aigestion.queries.elasticsearch_bodies import Body, any_word
from aigestion.queries.highlight import highlight

MARKED_CHARS_MAX = 20_000
"""Matches further on in a text are found, but not shown."""

_START, _STOP = "\ue000", "\ue001"
_NEITHER = {ord(_START): None, ord(_STOP): None}
_FIELDS = ("text.english", "text.spanish", "text_plain")


class Marks:
    """Marks for one search, such as no text can have in it: a text may well contain U+E000."""

    def __init__(self, words: Sequence[str]) -> None:
        self._start, self._stop = f"[{secrets.token_hex(8)}[", f"]{secrets.token_hex(8)}]"
        self._words = words

    def request(self) -> Body:
        """Every field whole, with each of the words marked."""
        return {
            "fields": {field: {} for field in _FIELDS},
            "highlight_query": any_word(self._words),
            "type": "unified",
            "number_of_fragments": 0,
            "max_analyzed_offset": MARKED_CHARS_MAX,
            "pre_tags": [self._start],
            "post_tags": [self._stop],
        }

    def shown(self, hit: Mapping[str, Any]) -> str:
        """The part of a hit's text with the most matches, as HTML."""
        text = hit["_source"]["text"][:MARKED_CHARS_MAX].translate(_NEITHER)
        marked = hit.get("highlight", {}).values()
        return highlight(text, [self._variant(whole, len(text)) for [whole] in marked])

    def _variant(self, whole: str, chars: int) -> str:
        """The text as one language reads it, its matches between U+E000 and U+E001."""
        marked = whole.translate(_NEITHER)
        marked = marked.replace(self._start, _START).replace(self._stop, _STOP)
        return _first(marked, chars)


def _first(marked: str, chars: int) -> str:
    """The beginning of a text with marks, which are not counted."""
    parts: list[str] = []
    for part in re.split(f"([{_START}{_STOP}])", marked):
        if part in (_START, _STOP):
            parts.append(part)
            continue
        parts.append(part[:chars])
        chars -= len(part)
        if chars <= 0:
            break
    # A match may have begun in what is left out.
    inside = parts.count(_START) > parts.count(_STOP)
    return "".join([*parts, _STOP] if inside else parts)
