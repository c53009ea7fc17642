"""Which sentences are quoted."""

from uuid import UUID

from aigestion.llm.port import Source
from aigestion.llm.quotes import QUOTE_CHARS_MAX, QUOTES_MAX, best_quotes
from aigestion.llm.words import content_words

GUIDE = """Guide > Positions > Dense positions

A position is the number of an event. Every reader counts on it.

Guide > Erasure

Destroying a key erases what it sealed.

| word | meaning. Positions are dense. |"""


def quotes(question: str, *texts: str) -> list[tuple[str, int]]:
    sources = tuple(Source(n, UUID(int=n), 0, "T", text) for n, text in enumerate(texts, start=1))
    return [(one.text, one.number) for one in best_quotes(content_words(question), sources)]


def test_a_heading_speaks_for_the_sentences_below_it_and_is_not_quoted() -> None:
    assert quotes("dense positions", GUIDE)[0] == ("A position is the number of an event.", 1)
    assert quotes("erasure", GUIDE) == [("Destroying a key erases what it sealed.", 1)]


def test_own_words_count_more_than_the_headings() -> None:
    text = "Dense positions\n\nEvery reader counts on it.\n\nOther things here\n\nIt is dense by position."

    assert quotes("dense positions", text)[0][0] == "It is dense by position."


def test_a_rare_word_counts_more_than_a_common_one() -> None:
    common = "\n\n".join(f"The event number {n} happened then." for n in range(20))

    found = quotes("which event was sealed", common, "One letter was sealed by Ana.")

    assert found == [("One letter was sealed by Ana.", 2)]


def test_tables_and_code_are_not_quoted() -> None:
    assert (
        quotes("dense", "| a | positions are dense here |", "```\ndense = positions + 1\n```") == []
    )


def test_quotes_are_few_short_and_said_once() -> None:
    same = "The dense position is here."
    long = "The dense position " + "goes on and on " * 60 + "to its end."

    found = quotes("dense position", same, same, long, "A dense position. It is a dense one.")

    assert len(found) <= QUOTES_MAX
    assert [text for text, _ in found].count(same) == 1
    assert all(len(text) <= QUOTE_CHARS_MAX + 2 for text, _ in found)
