"""The model that needs no key: it quotes the sentences that fit the question best, and says that it only quotes."""

import math
import re
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import msgspec

from aigestion.llm.port import ChatRequest, Done, Source, StreamEvent, TextDelta
from aigestion.llm.small_talk import SmallTalkKind, small_talk
from aigestion.llm.words import Language, content_words, language_of, plain_words, sentences

QUOTES_MAX = 3
QUOTE_WORDS_MIN = 4
"""Shorter lines are headings and labels, which say nothing alone."""
QUOTE_CHARS_MAX = 480
PIECE_WORDS = 3
"""How many words one delta carries."""
_RELEVANCE_OF_BEST_MIN = 0.4
"""A further quote must be at least this good, measured by the best one."""

_SMALL_TALK: dict[SmallTalkKind, dict[Language, str]] = {
    "greeting": {
        "en": "Hello! Ask me something about the documents I know, and I quote what they say.",
        "es": "¡Hola! Pregúntame algo sobre los documentos que conozco y cito lo que dicen.",
    },
    "thanks": {"en": "You are welcome.", "es": "De nada."},
    "farewell": {"en": "Goodbye!", "es": "¡Hasta luego!"},
    "identity": {
        "en": "I am the built-in model: I write nothing of my own. I look for the passages that fit your "
        "question best and quote them with their sources. Set up a language model to get written answers.",
        "es": "Soy el modelo incorporado: no redacto nada propio. Busco los pasajes que mejor encajan con tu "
        "pregunta y los cito con sus fuentes. Configura un modelo de lenguaje para tener respuestas redactadas.",
    },
}
_INTRODUCTION: dict[Language, str] = {
    "en": "I only quote; this is what the documents say:",
    "es": "Solo cito; esto es lo que dicen los documentos:",
}
_NOTHING_FOUND: dict[Language, str] = {
    "en": "I found nothing about that in the documents I know. I only quote, so I would rather say nothing.",
    "es": "No encontré nada sobre eso en los documentos que conozco. Solo cito, así que prefiero no decir nada.",
}


class BuiltinModel:
    """Deterministic: the same request gives the same answer. Its tokens are words."""

    provider = "builtin"
    model = "quote-1"

    def __init__(self) -> None:
        self.parameters: dict[str, Any] = {"quotes_max": QUOTES_MAX}

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamEvent]:
        answer = _answer(request)
        for piece in _pieces(answer):
            yield TextDelta(piece)
        words_in = sum(len(plain_words(text)) for text in _texts(request))
        words_out = len(plain_words(answer))
        yield Done(
            returned_model=self.model,
            finish_reason="stop",
            usage={"input_words": words_in, "output_words": words_out},
            input_tokens=words_in,
            output_tokens=words_out,
        )


class _Quote(msgspec.Struct, frozen=True):
    relevance: float
    source: int
    """Index of the source in the request."""
    place: int
    """Index of the sentence in its source."""
    text: str
    number: int


def _answer(request: ChatRequest) -> str:
    question = request.turns[-1].text
    if talk := small_talk(question):
        return _SMALL_TALK[talk.kind][talk.language]
    language = language_of(question)
    quotes = _best_quotes(_question_words(request), request.sources)
    if not quotes:
        return _NOTHING_FOUND[language]
    lines = [f"> {quote.text} [{quote.number}]" for quote in quotes]
    return "\n\n".join([_INTRODUCTION[language], *lines])


def _question_words(request: ChatRequest) -> frozenset[str]:
    """What is asked about; a question like "and why?" leans on the one before it."""
    asked = [turn.text for turn in request.turns if turn.role == "user"]
    words = content_words(asked[-1])
    return words or (content_words(asked[-2]) if len(asked) > 1 else words)


def _best_quotes(question: frozenset[str], sources: tuple[Source, ...]) -> list[_Quote]:
    """The sentences that share the most telling words with the question, in order of the sources."""
    candidates = [
        (index, place, sentence, content_words(sentence))
        for index, source in enumerate(sources)
        for place, sentence in enumerate(sentences(source.text))
        if not sentence.startswith(("#", "|")) and len(sentence.split()) >= QUOTE_WORDS_MIN
    ]
    seen = Counter(word for *_, words in candidates for word in words & question)
    rarity = {word: math.log(1 + len(candidates) / count) for word, count in seen.items()}
    quotes = [
        _Quote(
            # Best-first sources and short sentences win ties; a word that is everywhere tells little.
            sum(rarity[word] for word in words & question) / (1 + 0.02 * len(words) + 0.05 * index),
            index,
            place,
            _shortened(sentence),
            sources[index].number,
        )
        for index, place, sentence, words in candidates
    ]
    ranked = sorted(quotes, key=lambda quote: (-quote.relevance, quote.source, quote.place))
    if not ranked:
        return []
    # Passages found by meaning may share no word with the question (it may be in another language).
    worth = max(ranked[0].relevance * _RELEVANCE_OF_BEST_MIN, 0.0)
    chosen = _distinct(quote for quote in ranked if quote.relevance >= worth)
    count = QUOTES_MAX if ranked[0].relevance > 0 else 1
    return sorted(chosen[:count], key=lambda quote: (quote.source, quote.place))


def _distinct(quotes: Iterator[_Quote]) -> list[_Quote]:
    """Each sentence once, however many passages repeat it."""
    return list({quote.text: quote for quote in reversed(list(quotes))}.values())[::-1]


def _shortened(sentence: str) -> str:
    sentence = sentence.removeprefix("- ").removeprefix("* ")
    if len(sentence) <= QUOTE_CHARS_MAX:
        return sentence
    return sentence[:QUOTE_CHARS_MAX].rsplit(" ", 1)[0] + " …"


def _pieces(answer: str) -> Iterator[str]:
    words = re.findall(r"\s*\S+", answer)
    for start in range(0, len(words), PIECE_WORDS):
        yield "".join(words[start : start + PIECE_WORDS])


def _texts(request: ChatRequest) -> list[str]:
    return [
        request.system,
        *(turn.text for turn in request.turns),
        *(source.text for source in request.sources),
    ]
