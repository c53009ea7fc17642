"""The model that needs no key: it quotes the sentences that fit the question best, and says that it only quotes."""

import re
from collections.abc import AsyncGenerator, Iterator
from typing import Any

from aigestion.llm.port import ChatRequest, Done, StreamEvent, TextDelta
from aigestion.llm.quotes import QUOTES_MAX, best_quotes
from aigestion.llm.small_talk import SmallTalkKind, small_talk
from aigestion.llm.words import Language, content_words, language_of, plain_words

PIECE_WORDS = 3
"""How many words one delta carries."""
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


def _answer(request: ChatRequest) -> str:
    question = request.turns[-1].text
    if talk := small_talk(question):
        return _SMALL_TALK[talk.kind][talk.language]
    language = language_of(question)
    quotes = best_quotes(_question_words(request), request.sources)
    if not quotes:
        return _NOTHING_FOUND[language]
    lines = [f"> {quote.text} [{quote.number}]" for quote in quotes]
    return "\n\n".join([_INTRODUCTION[language], *lines])


def _question_words(request: ChatRequest) -> frozenset[str]:
    """What is asked about; a question like "and why?" leans on the one before it."""
    asked = [turn.text for turn in request.turns if turn.role == "user"]
    words = content_words(asked[-1])
    return words or (content_words(asked[-2]) if len(asked) > 1 else words)


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
