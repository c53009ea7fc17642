"""Recognises a message that asks nothing: a greeting, thanks, a farewell, "who are you?"."""

from typing import Literal

import msgspec

from aigestion.llm.words import Language, plain_words

SmallTalkKind = Literal["greeting", "thanks", "farewell", "identity"]

_WORDS_MAX = 7
"""A longer message has something to say, however politely it starts."""


class SmallTalk(msgspec.Struct, frozen=True):
    kind: SmallTalkKind
    language: Language


# In order: of two kinds in one message the first counts, and longer phrases stand before their parts.
_PHRASES: tuple[tuple[SmallTalk, tuple[str, ...]], ...] = (
    (SmallTalk("identity", "en"),
     ("who are you", "what are you", "what can you do", "what do you do", "how do you work")),
    (SmallTalk("identity", "es"),
     ("quien eres", "que eres", "que puedes hacer", "que sabes hacer", "como funcionas")),
    (SmallTalk("farewell", "en"), ("good bye", "goodbye", "bye", "see you", "good night")),
    (SmallTalk("farewell", "es"), ("adios", "hasta luego", "hasta pronto", "chao")),
    (SmallTalk("thanks", "en"),
     ("thank you", "thanks", "thx", "cheers", "great", "perfect", "ok", "okay", "cool")),
    (SmallTalk("thanks", "es"), ("muchas gracias", "gracias", "vale", "perfecto", "genial")),
    (SmallTalk("greeting", "en"),
     ("good morning", "good afternoon", "good evening", "how are you", "hello", "hi", "hey",
      "greetings")),
    (SmallTalk("greeting", "es"),
     ("buenos dias", "buenas tardes", "buenas noches", "que tal", "como estas", "hola", "buenas")),
)  # fmt: skip
_FILLER_WORDS = """
    there so very much a lot again you to everyone all world today now later and for your the help
    muy mucho a todos mundo hoy otra vez y por tu la su ayuda assistant asistente mate friend amigo"""
_FILLERS = frozenset(_FILLER_WORDS.split())


def small_talk(text: str) -> SmallTalk | None:
    """What it is, if the whole message is small talk; None as soon as it asks anything else."""
    words = plain_words(text)
    if not words or len(words) > _WORDS_MAX:
        return None
    rest = f" {' '.join(words)} "
    found: SmallTalk | None = None
    for talk, phrases in _PHRASES:
        for phrase in phrases:
            if f" {phrase} " in rest:
                found = found or talk
                rest = rest.replace(f" {phrase} ", " ")
    return found if all(word in _FILLERS for word in rest.split()) else None
