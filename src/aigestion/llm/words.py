"""Cheap language work for English and Spanish: words that carry meaning, sentences, which of the two it is."""

import re
import unicodedata
from typing import Literal

Language = Literal["en", "es"]

_WORD = re.compile(r"[^\W_]+(?:[._'-][^\W_]+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?])(?<!\b\d\.)\s+(?=[\"'(¿¡*`]*[A-ZÁÉÍÓÚÑ0-9¿¡])")
_ITEM = re.compile(r"(?:[-*+]|\d{1,2}[.)])\s")
_SPANISH_MARKS = re.compile(r"[¿¡ñáéíóú]", re.IGNORECASE)

_ENGLISH_WORDS = """
    a about after again all also am an and any are as at be because been before being between both but by
    can could did do does doing done for from get give had has have having he her here him his how i if in
    into is it its just know let make many may me more most much must my need no not now of off on one only
    or other our out over please same say she should show so some such tell than that the their them then
    there these they this those through to too under until up us use very want was we were what when where
    whether which while who whom whose why will with would you your"""
_SPANISH_WORDS = """
    a al algo ante antes aqui asi aunque cada como con cual cuales cuando cuanto cuantos cuanta cuantas de
    debe decir del desde dice dime donde dos e el ella ellas ellos en entre era es esa ese eso esta estan
    estas este esto estos explica favor fue ha hace hacer hasta hay la las le les lo los mas me mi mis mucho
    muy nada ni no nos nuestra nuestro o otra otro para pero poco por porque puede pueden puedo que quien
    quiero sabe se sea ser si sin sobre solo son soy su sus tal tambien tan te tengo ti tiene tienen todo
    todos tu tus un una unas uno unos usted y ya yo"""
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
_SPANISH = frozenset(_SPANISH_WORDS.split())
_COMMON_TO_BOTH = _ENGLISH & _SPANISH


def plain_words(text: str) -> list[str]:
    """The words of a text in order: lower case, without accents."""
    decomposed = unicodedata.normalize("NFKD", text.lower())
    return _WORD.findall("".join(c for c in decomposed if not unicodedata.combining(c)))


def content_words(text: str) -> frozenset[str]:
    """The words that carry meaning: no function words of either language, plurals cut."""
    return frozenset(
        _singular(word)
        for word in plain_words(text)
        if word not in _ENGLISH and word not in _SPANISH and (len(word) > 1 or word.isdigit())
    )


def language_of(text: str) -> Language:
    """Which of the two languages a text seems to be in; English when nothing tells."""
    words = plain_words(text)
    spanish = sum(word in _SPANISH and word not in _COMMON_TO_BOTH for word in words)
    english = sum(word in _ENGLISH and word not in _COMMON_TO_BOTH for word in words)
    spanish += len(_SPANISH_MARKS.findall(text))
    return "es" if spanish > english else "en"


def sentences(text: str) -> list[str]:
    """The sentences of a passage; a line break between paragraphs or list items ends one too."""
    found: list[str] = []
    for paragraph in _paragraphs(text):
        if paragraph.startswith(("|", "```")):  # A table's row and code have no sentences.
            found.append(paragraph)
            continue
        found += [s for part in _SENTENCE_END.split(paragraph) if (s := part.strip())]
    return found


def _paragraphs(text: str) -> list[str]:
    """Lines joined as Markdown joins them: wrapped lines are one paragraph, list items are not."""
    paragraphs: list[list[str]] = [[]]
    for line in text.splitlines():
        stripped = line.strip()
        starts_anew = not stripped or stripped[0] in "#|>" or _ITEM.match(stripped)
        if starts_anew and paragraphs[-1]:
            paragraphs.append([])
        if stripped:
            paragraphs[-1].append(stripped)
        if stripped.startswith("#"):
            paragraphs.append([])
    return [" ".join(lines) for lines in paragraphs if lines]


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
