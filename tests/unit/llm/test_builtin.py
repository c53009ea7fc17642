"""The model that only quotes: what it quotes, what it says when it cannot, and in which language."""

from uuid import UUID

import pytest

from aigestion.llm.builtin import PIECE_WORDS, BuiltinModel
from aigestion.llm.port import ChatRequest, Done, Source, TextDelta, Turn
from aigestion.llm.quotes import QUOTES_MAX

LAWS = Source(
    1, UUID(int=1), 0, "Laws",
    "# Laws\n\nPositions are dense: one, two, three, without holes. The log is the only truth.\n"
    "- A reader owns its checkpoint.",
)  # fmt: skip
KITCHEN = Source(2, UUID(int=2), 4, "Kitchen", "Boil the pasta for nine minutes. Salt the water.")


async def answer(*turns: str, sources: tuple[Source, ...] = (LAWS, KITCHEN)) -> tuple[str, Done]:
    request = ChatRequest(
        call_id=UUID(int=9),
        system="Be brief.",
        turns=tuple(Turn("user", turn) for turn in turns),
        sources=sources,
    )
    *pieces, end = [event async for event in BuiltinModel().stream(request)]
    assert isinstance(end, Done)
    assert all(isinstance(p, TextDelta) and len(p.text.split()) <= PIECE_WORDS for p in pieces)
    return "".join(p.text for p in pieces if isinstance(p, TextDelta)), end


async def test_it_quotes_the_sentence_that_fits_with_its_source() -> None:
    text, _ = await answer("Which positions are dense?")

    assert text == (
        "I only quote; this is what the documents say:\n\n"
        "> Positions are dense: one, two, three, without holes. [1]"
    )


async def test_it_quotes_from_several_sources_in_their_order() -> None:
    text, _ = await answer("How long does pasta boil, and who owns a checkpoint?")

    assert text.index("A reader owns its checkpoint. [1]") < text.index("nine minutes. [2]")


async def test_it_never_quotes_more_than_it_may() -> None:
    many = tuple(
        Source(n, UUID(int=n), 0, "S", f"The dense position number {n} is here.")
        for n in range(1, 9)
    )

    text, _ = await answer("dense position?", sources=many)

    assert text.count("> ") == QUOTES_MAX


async def test_it_says_plainly_that_it_found_nothing() -> None:
    text, _ = await answer("Which positions are dense?", sources=())

    assert text.startswith("I found nothing about that")
    assert "[" not in text


async def test_passages_found_by_meaning_alone_are_quoted_in_the_language_of_the_question() -> None:
    text, _ = await answer("¿Qué significa que no haya huecos?", sources=(LAWS,))

    assert text == (
        "Solo cito; esto es lo que dicen los documentos:\n\n"
        "> Positions are dense: one, two, three, without holes. [1]"
    )


async def test_a_follow_up_leans_on_the_question_before_it() -> None:
    text, _ = await answer("How long does pasta boil?", "And why?")

    assert "nine minutes. [2]" in text


@pytest.mark.parametrize(
    ("said", "begin"),
    [
        ("Hello!", "Hello!"),
        ("hi there", "Hello!"),
        ("Good morning", "Hello!"),
        ("¡Hola! ¿Qué tal?", "¡Hola!"),
        ("Buenos días", "¡Hola!"),
        ("Thank you very much", "You are welcome."),
        ("Muchas gracias", "De nada."),
        ("Who are you?", "I am the built-in model"),
        ("¿Quién eres?", "Soy el modelo incorporado"),
        ("Bye", "Goodbye!"),
    ],
)
async def test_small_talk_is_answered_without_quotes(said: str, begin: str) -> None:
    text, _ = await answer(said)

    assert text.startswith(begin)
    assert "[" not in text


async def test_a_polite_question_is_still_a_question() -> None:
    text, _ = await answer("Hello, which positions are dense?")

    assert "[1]" in text


async def test_the_same_request_gives_the_same_answer() -> None:
    assert await answer("Is the log the truth?") == await answer("Is the log the truth?")


async def test_usage_counts_words_and_says_so() -> None:
    text, end = await answer("Who are you?", sources=())

    assert end.usage == {"input_words": 5, "output_words": end.output_tokens}
    assert end.input_tokens == 5
    assert abs((end.output_tokens or 0) - len(text.split())) <= 2


async def test_a_question_without_words_is_no_fault() -> None:
    text, _ = await answer("???", sources=())

    assert text.startswith("I found nothing")
