"""What Elasticsearch is asked: a question's words in English and in Spanish at once, and how hits are scored.

What is found, and what that scores, are two things. Elasticsearch's own scores weigh a word by how rare it is
among the texts of all tenants; one tenant's texts would change another's answers. Here a word scores by how
often it is in the hit, and whoever wants rare words to count more brings their weights along.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
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
    endings: Sequence[str]
    """Of the fields with a text as it is read in this language: all by the analyzer of this name."""
    spelled: Callable[[str], str]
    """Questions as these fields have their words."""

    @property
    def fields(self) -> list[str]:
        return [f"{field}{ending}" for field in ("text", "title") for ending in self.endings]

    def says_something(self, text: str) -> bool:
        """Whether it is more than stop words."""
        return any(word not in stop_words(self.name) for word in words_of(text))


ENGLISH = Language("english", (".english",), lambda text: text)
SPANISH = Language("spanish", (".spanish", "_plain"), plain)
"""A text without accents is in `.spanish` only, one with accents is in `_plain` without them as well."""
LANGUAGES = (ENGLISH, SPANISH)


def asked(q: str) -> Body | None:
    """Finds what a question asks for, in either language. None if that is nothing at all."""
    found = [body for terms in alternatives(q) if (body := _all_of(terms)) is not None]
    return {"bool": {"should": found, "minimum_should_match": 1}} if found else None


def any_word(words: Iterable[str]) -> Body:
    """Finds what has at least one of these words, in either language."""
    text = " ".join(words)
    return _either(_match(language, text, "or", "none") for language in LANGUAGES)


def scored(words: Mapping[str, float]) -> list[Body]:
    """A score for each word, with its weight: from 0 to 1 the more often it is in the text, half for the title."""
    return [
        _how_often(field, word, weight * boost)
        for word, weight in words.items()
        for field, boost in (("text", 1.0), ("title", TITLE_BOOST))
    ]


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


def _how_often(field: str, word: str, weight: float) -> Body:
    """An interval scores by nothing but how often it is there; in both languages it counts once."""
    return _either(
        {
            "intervals": {
                f"{field}{ending}": {
                    "match": {"query": language.spelled(word), "max_gaps": 0, "ordered": True},
                    "boost": weight,
                }
            }
        }
        for language in LANGUAGES
        for ending in language.endings
    )


def _either(bodies: Iterable[Body]) -> Body:
    """What both languages find counts once."""
    return {"dis_max": {"queries": list(bodies)}}
