"""A question as it is typed into a search box, taken apart: words, "a phrase", or, -without."""

import re
from functools import cache
from pathlib import Path

import msgspec

TERMS_MAX = 64
"""What a question has beyond these is left out."""
_STOP_WORDS = Path(__file__).parent / "stop_words"
_TERM = re.compile(r'(?P<without>-*)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')
_WORD = re.compile(r"[^\W_]+")


class Term(msgspec.Struct, frozen=True):
    """A word, or what stood between quotation marks."""

    text: str
    phrase: bool
    without: bool
    """Whether it must not be there."""


def alternatives(q: str) -> list[list[Term]]:
    """One of them must hold, each with all of its terms. Signs that are no words are left out."""
    found: list[list[Term]] = [[]]
    for match in list(_TERM.finditer(q))[:TERMS_MAX]:
        phrase, word = match["phrase"], match["word"]
        if word is not None and word.lower() == "or" and not match["without"]:
            found.append([])
            continue
        text = word if phrase is None else phrase
        if words_of(text):
            found[-1].append(Term(text, phrase is not None, bool(match["without"])))
    return [terms for terms in found if terms]


def words_of(text: str) -> list[str]:
    """Its words in lower case, each once, in order."""
    return list(dict.fromkeys(_WORD.findall(text.lower())))


def telling(words: list[str]) -> list[str]:
    """Those that are no stop word of either language; all, if there are no others.

    Each language indexes the other's: "what" is no Spanish stop word and would match every English text.
    """
    common = stop_words("english") | stop_words("spanish")
    return [word for word in words if word not in common] or words


@cache
def stop_words(language: str) -> frozenset[str]:
    """The Snowball project's, as PostgreSQL has them."""
    return frozenset((_STOP_WORDS / f"{language}.txt").read_text(encoding="utf-8").split())
