"""What Elasticsearch is asked: a question's words in English and in Spanish at once, and what to mark."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import msgspec

from aigestion.queries.web_question import Term, alternatives, stop_words, telling, words_of
from aigestion.readstores.elasticsearch.plain import plain

Body = dict[str, Any]
TITLE_BOOST = 0.5
"""What the title says counts, but less than the text."""


class Language(msgspec.Struct, frozen=True):
    """How one language is looked for."""

    name: str
    fields: Sequence[str]
    """All read by the analyzer of this name."""
    spelled: Callable[[str], str]
    """Questions as these fields have their words."""

    def says_something(self, text: str) -> bool:
        """Whether it is more than stop words."""
        return any(word not in stop_words(self.name) for word in words_of(text))


def _fields(*endings: str) -> list[str]:
    return [f"text{end}" for end in endings] + [f"title{end}^{TITLE_BOOST}" for end in endings]


ENGLISH = Language("english", _fields(".english"), lambda text: text)
SPANISH = Language("spanish", _fields(".spanish", "_plain"), plain)
"""A text without accents is in `.spanish` only, one with accents is in `_plain` without them as well."""
LANGUAGES = (ENGLISH, SPANISH)


def asked(q: str) -> Body | None:
    """Finds what a question asks for, in either language. None if that is nothing at all."""
    found = [body for terms in alternatives(q) if (body := _all_of(terms)) is not None]
    return {"bool": {"should": found, "minimum_should_match": 1}} if found else None


def any_word(words: Iterable[str]) -> Body:
    """Finds what has one of these words, rare ones counting more."""
    text = " ".join(words)
    return _either(_match(language, text, "or", "none") for language in LANGUAGES)


def marking(q: str) -> list[str]:
    """The words of a question that are marked where they are found."""
    positive = [term.text for terms in alternatives(q) for term in terms if not term.without]
    return telling(words_of(" ".join(positive)))


def _all_of(terms: list[Term]) -> Body | None:
    wanted = [term for term in terms if not term.without]
    unwanted = [
        _term(language, term, "none")
        for term in terms
        for language in LANGUAGES
        if term.without and language.says_something(term.text)
    ]
    if not wanted:
        return {"bool": {"must_not": unwanted}} if unwanted else None
    found = [body for language in LANGUAGES if (body := _in(language, wanted)) is not None]
    return {"bool": {"must": _either(found), "must_not": unwanted}} if found else None


def _in(language: Language, terms: list[Term]) -> Body | None:
    """All of them in one language, whose stop words need not be there."""
    telling_terms = [term for term in terms if language.says_something(term.text)]
    if not telling_terms:
        return None
    together = " ".join(term.text for term in telling_terms)
    return {
        "bool": {
            # A term of which the analyzer leaves nothing asks for nothing; but not all of them may.
            "must": [_term(language, term, "all") for term in telling_terms],
            "filter": _match(language, together, "or", "none"),
        }
    }


def _term(language: Language, term: Term, of_nothing: Literal["all", "none"]) -> Body:
    if not term.phrase:
        return _match(language, term.text, "and", of_nothing)
    return {
        "multi_match": {
            "query": language.spelled(term.text),
            "fields": language.fields,
            "type": "phrase",
            "zero_terms_query": of_nothing,
        }
    }


def _match(
    language: Language,
    text: str,
    operator: Literal["and", "or"],
    of_nothing: Literal["all", "none"],
) -> Body:
    return {
        "multi_match": {
            "query": language.spelled(text),
            "fields": language.fields,
            "type": "cross_fields",
            "operator": operator,
            "zero_terms_query": of_nothing,
        }
    }


def _either(bodies: Iterable[Body]) -> Body:
    """What both languages find counts once."""
    return {"dis_max": {"queries": list(bodies)}}
