"""Picks the sentences of the sources that fit a question best: by shared words, rare ones counting more."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from aigestion.llm.port import Source
from aigestion.llm.words import content_words, sentences

QUOTES_MAX = 3
QUOTE_WORDS_MIN = 4
QUOTE_CHARS_MAX = 480
_HEADING_WORDS_MAX = 14
_HEADING_WEIGHT = 0.35
"""What a word of the heading counts for the sentences below it, beside their own."""
_LONG_SENTENCE_WORDS = 25
_RELEVANCE_OF_BEST_MIN = 0.4
"""A further quote must be at least this good, measured by the best one."""


class Quote(msgspec.Struct, frozen=True):
    """A sentence of a source, and the source's number."""

    text: str
    number: int


class _Sentence(msgspec.Struct, frozen=True):
    source: int
    """Index of its source."""
    place: int
    """Index in its source."""
    after_heading: int
    """How many sentences stand between it and its heading: definitions come first."""
    text: str
    words: frozenset[str]
    heading: frozenset[str]


def best_quotes(question: frozenset[str], sources: tuple[Source, ...]) -> list[Quote]:
    """At most `QUOTES_MAX`, in the order of the sources; none only if no source has a sentence."""
    candidates = _distinct(
        sentence for index, source in enumerate(sources) for sentence in _quotable(index, source)
    )
    if not candidates:
        return []
    relevance = _relevances(question, candidates)
    ranked = sorted(range(len(candidates)), key=lambda at: (-relevance[at], at))
    best = relevance[ranked[0]]
    # Passages found by meaning may share no word with the question (it may be in another language).
    count = QUOTES_MAX if best > 0 else 1
    chosen = [at for at in ranked[:count] if relevance[at] >= best * _RELEVANCE_OF_BEST_MIN]
    return [
        Quote(_shortened(candidates[at].text), sources[candidates[at].source].number)
        for at in sorted(chosen)
    ]


def _relevances(question: frozenset[str], candidates: list[_Sentence]) -> list[float]:
    seen = Counter(word for one in candidates for word in (one.words | one.heading) & question)
    rarity = {word: math.log(1 + len(candidates) / count) for word, count in seen.items()}

    def relevance(one: _Sentence) -> float:
        own = sum(rarity[word] for word in one.words & question)
        above = sum(rarity[word] for word in one.heading & question)
        too_long = max(0, len(one.words) - _LONG_SENTENCE_WORDS)
        doubt = 1 + 0.1 * one.after_heading + 0.02 * too_long + 0.05 * one.source
        return (own + _HEADING_WEIGHT * above) / doubt

    return [relevance(one) for one in candidates]


def _quotable(index: int, source: Source) -> Iterator[_Sentence]:
    heading: frozenset[str] = frozenset()
    after_heading = 0
    for place, text in enumerate(sentences(source.text)):
        if _is_heading(text):
            heading, after_heading = content_words(text), 0
        elif not text.startswith(("|", "```")):
            yield _Sentence(index, place, after_heading, text, content_words(text), heading)
            after_heading += 1


def _is_heading(text: str) -> bool:
    """A line that says nothing alone: marked as a heading, a path of headings, or short and without an end."""
    words = len(text.split())
    if text.startswith("#") or words < QUOTE_WORDS_MIN:
        return True
    unfinished = text[-1] not in ".!?:;…)`"
    if " > " in text:
        return unfinished or words <= _HEADING_WORDS_MAX
    return unfinished and words <= _HEADING_WORDS_MAX and text[0] not in "-*>|"


def _distinct(candidates: Iterable[_Sentence]) -> list[_Sentence]:
    """Each sentence once, where it stands first, however many passages repeat it."""
    first: dict[str, _Sentence] = {}
    for one in candidates:
        first.setdefault(one.text, one)
    return list(first.values())


def _shortened(sentence: str) -> str:
    sentence = sentence.removeprefix("- ").removeprefix("* ")
    if len(sentence) <= QUOTE_CHARS_MAX:
        return sentence
    return sentence[:QUOTE_CHARS_MAX].rsplit(" ", 1)[0] + " …"
