"""Passages: of a size to be quoted, under their headings, with nothing lost and nothing new."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigestion.projections.chunking import WORDS_MAX, WORDS_MIN, passages_of

MARKDOWN = "text/markdown"
PLAIN = "text/plain"


def words(count: int, word: str = "word") -> str:
    """A text of short sentences."""
    return " ".join(f"{word}." if n % 10 == 9 else word for n in range(count))


def sizes(passages: list[str]) -> list[int]:
    return [len(passage.split()) for passage in passages]


@pytest.mark.parametrize("media_type", [MARKDOWN, PLAIN, "text/markdown; charset=utf-8"])
@pytest.mark.parametrize("text", ["", " \n\t\n ", "\r\n\r\n"])
def test_an_empty_text_has_no_passages(text: str, media_type: str) -> None:
    assert passages_of(text, media_type) == []


def test_a_short_text_is_one_passage() -> None:
    assert passages_of("One.\n\nTwo.\n", PLAIN) == ["One.\n\nTwo."]


def test_paragraphs_share_a_passage_as_long_as_they_fit() -> None:
    text = "\n\n".join([words(90, "a"), words(90, "b"), words(90, "c")])

    assert sizes(passages_of(text, PLAIN)) == [180, 90]


def test_a_long_paragraph_is_cut_after_a_sentence() -> None:
    passages = passages_of(words(1_000), PLAIN)

    assert sizes(passages) == [WORDS_MAX] * 5
    assert all(passage.endswith("word.") for passage in passages)


def test_a_sentence_without_end_is_cut_between_words() -> None:
    assert sizes(passages_of("word " * 450, PLAIN)) == [200, 200, 50]


def test_a_text_without_spaces_is_cut_too() -> None:
    assert len(passages_of("x" * 10_000, PLAIN)) == 4
    assert len(passages_of("位置は密である。" * 100, PLAIN)) == 4


def test_a_passage_starts_with_the_headings_it_stands_under() -> None:
    text = f"# Guide\n\n{words(130, 'a')}\n\n## Install\n\n{words(130, 'b')}\n"

    first, second = passages_of(text, MARKDOWN)

    assert first.startswith("Guide\n\na a a")
    assert second.startswith("Guide > Install\n\nb b b")


def test_each_part_of_a_long_section_has_its_headings() -> None:
    passages = passages_of(f"# Guide\n## Install\n{words(500)}", MARKDOWN)

    assert [passage.partition("\n")[0] for passage in passages] == ["Guide > Install"] * 3


def test_short_sections_share_a_passage() -> None:
    text = "# FAQ\n\n## One?\n\nYes.\n\n## Two?\n\nNo.\n"

    assert passages_of(text, MARKDOWN) == ["FAQ > One?\n\nYes.\n\nFAQ > Two?\n\nNo."]


def test_a_section_that_is_long_enough_stands_alone() -> None:
    text = f"# A\n\n## One\n\n{words(WORDS_MIN)}\n\n## Two\n\nShort.\n"

    assert len(passages_of(text, MARKDOWN)) == 2


def test_two_parts_of_a_book_share_nothing() -> None:
    assert passages_of("# One\n\na\n\n# Two\n\nb", MARKDOWN) == ["One\n\na", "Two\n\nb"]


def test_a_deeper_heading_ends_with_the_next_higher_one() -> None:
    text = f"# A\n### Deep\n{words(130)}\n## B\n{words(130)}"

    passages = passages_of(text, MARKDOWN)

    assert [passage.partition("\n")[0] for passage in passages] == ["A > Deep", "A > B"]


def test_underlined_headings_are_headings() -> None:
    text = f"Guide\n=====\n\n{words(130)}\n\nInstall\n---\n\n{words(130)}\n\n---\n\nend"

    passages = passages_of(text, MARKDOWN)

    assert [passage.partition("\n")[0] for passage in passages] == ["Guide", "Guide > Install"]
    assert passages[1].endswith("---\n\nend")


def test_code_is_left_as_it_is() -> None:
    code = "```sh\n# no heading\n\nmake up\n```"

    assert passages_of(f"# Start\n\n{code}\n", MARKDOWN) == [f"Start\n\n{code}"]


def test_code_that_is_never_closed_reaches_to_the_end() -> None:
    assert passages_of("# A\n~~~\n# B\n```\n\nend", MARKDOWN) == ["A\n\n~~~\n# B\n```\n\nend"]


def test_a_text_of_headings_only_is_found_by_them() -> None:
    assert passages_of("# Terms\n\n## Privacy\n", MARKDOWN) == ["# Terms\n\n## Privacy"]


def test_a_hash_in_plain_text_is_no_heading() -> None:
    assert passages_of("# 1 of our goals", PLAIN) == ["# 1 of our goals"]
    assert passages_of("#hashtag", MARKDOWN) == ["#hashtag"]


def test_line_endings_do_not_matter() -> None:
    text = f"# A\n\n{words(130)}\n\n## B\n\nb\n"

    assert passages_of(text.replace("\n", "\r\n"), MARKDOWN) == passages_of(text, MARKDOWN)


PIECES = st.sampled_from(
    ["# H\n", "## I J\n", "\n", "\n\n", "```\n", "a ", "b. ", "é", "字", "- x\n", "x" * 700, "  "]
)


@given(st.lists(PIECES, max_size=400).map("".join))
def test_a_plain_text_is_kept_word_for_word(text: str) -> None:
    kept = "".join(passages_of(text, PLAIN))

    assert re.sub(r"\s", "", kept) == re.sub(r"\s", "", text)


@given(st.lists(PIECES, max_size=400).map("".join), st.sampled_from([MARKDOWN, PLAIN]))
def test_passages_are_small_full_and_the_same_again(text: str, media_type: str) -> None:
    passages = passages_of(text, media_type)

    assert all(passage.strip() for passage in passages)
    assert all(len(passage) < 20 * WORDS_MAX for passage in passages)
    assert bool(passages) == bool(text.strip())
    assert passages_of(text, media_type) == passages
