"""Words, sentences and languages."""

import pytest

from aigestion.llm.words import content_words, language_of, sentences


def test_content_words_have_no_accents_no_plurals_and_no_function_words() -> None:
    assert content_words("What are the dense positions of policies?") == {
        "dense", "position", "policy",
    }  # fmt: skip
    assert content_words("¿Cuáles son las posiciones densas?") == {"posicione", "densa"}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is a dense position?", "en"),
        ("¿Qué es una posición densa?", "es"),
        ("que es una posicion densa", "es"),
        ("no", "en"),
        ("RFC 9457", "en"),
        ("La respuesta no puede llegar después", "es"),
    ],
)
def test_the_language_is_told(text: str, language: str) -> None:
    assert language_of(text) == language


def test_wrapped_lines_are_one_sentence_and_list_items_are_many() -> None:
    text = (
        "# Title\nOne sentence\nthat is wrapped. Another, e.g. this.\n\n- first item\n- second item\n"
        "1. First do this. Then that.\n2. Rest.\n| a. B | c |"
    )

    assert sentences(text) == [
        "# Title",
        "One sentence that is wrapped.",
        "Another, e.g. this.",
        "- first item",
        "- second item",
        "1. First do this.",
        "Then that.",
        "2. Rest.",
        "| a. B | c |",
    ]
