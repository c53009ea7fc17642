"""What a model is shown: passages that fit, and turns that were said to their end."""

from uuid import UUID

import msgspec
import pytest

from aigestion.agents.context import ContextSearch, Found
from aigestion.agents.definition import Limits
from aigestion.agents.prompt import History
from aigestion.kernel.errors import Unavailable, ViewBehind
from aigestion.llm.port import Turn
from aigestion.queries.answer import Answer
from aigestion.queries.conversations import Message
from aigestion.queries.passage_hit import PassageHit
from tests.unit.agents.house import CONVERSATION, NOON

LAWS, KITCHEN = UUID(int=1), UUID(int=2)
DENSE = PassageHit(LAWS, 0, "Laws", "Positions are dense.", 0.91)
LOG = PassageHit(LAWS, 1, "Laws", "The log is the only truth about positions.", 0.88)
PASTA = PassageHit(KITCHEN, 0, "Kitchen", "Boil the pasta.", 0.80)
LIMITS = Limits()


class Index:
    """Both searches over lists; notes what each was asked, and fails once for each error given."""

    def __init__(self, *hits: PassageHit, errors: tuple[Exception, ...] = ()) -> None:
        self.hits = list(hits)
        self.errors = list(errors)
        self.asked: list[tuple[str, int]] = []

    async def nearest(
        self, tenant: str, text: str, *, limit: int, documents: object, min_position: int = 0
    ) -> Answer[list[PassageHit]]:
        self.asked.append((text, min_position))
        if self.errors:
            raise self.errors.pop(0)
        return Answer(min_position, self.hits)

    async def passages(
        self, tenant: str, q: str, limit: int, *, documents: object, min_position: int = 0
    ) -> Answer[list[PassageHit]]:
        return await self.nearest(
            tenant, q, limit=limit, documents=documents, min_position=min_position
        )


class Said:
    """A conversation of these messages."""

    def __init__(self, *messages: Message) -> None:
        self.messages = list(messages)

    async def turns(
        self, tenant: str, conversation_id: UUID, *, before: int, limit: int, min_position: int = 0
    ) -> Answer[list[Message]]:
        return Answer(min_position, self.messages[-limit:])


async def found(
    question: str,
    *,
    near: Index | None = None,
    worded: Index | None = None,
    history: History = History(),  # noqa: B008
) -> tuple[Found, ...]:
    search = ContextSearch(Said(), worded or Index(), near or Index())
    return await search.passages("demo", Turn("user", question), history, 42, LIMITS)


def texts(passages: tuple[Found, ...]) -> list[str]:
    return [one.source.text for one in passages]


async def test_a_passage_both_searches_find_comes_first() -> None:
    passages = await found(
        "Are positions dense?", near=Index(LOG, DENSE), worded=Index(DENSE, PASTA)
    )

    assert texts(passages) == [DENSE.text, LOG.text]
    assert [one.source.number for one in passages] == [1, 2]
    assert passages[0].score == pytest.approx(1 / 62 + 1 / 61)
    assert passages[0].retrieved.score == 0.03252


@pytest.mark.parametrize("greeting", ["hello", "¡Hola!", "thanks a lot", "who are you?"])
async def test_small_talk_finds_nothing(greeting: str) -> None:
    near = Index(DENSE)

    assert await found(greeting, near=near) == ()
    assert near.asked == []


async def test_what_is_about_something_else_is_not_quoted() -> None:
    assert await found("Who won the cup?", near=Index(PASTA), worded=Index(PASTA, DENSE)) == ()


async def test_one_telling_word_of_three_is_not_enough() -> None:
    worded = Index(PassageHit(LAWS, 0, "L", "Positions in a race.", 1.0))

    assert await found("Are positions dense in Paris?", worded=worded) == ()
    assert len(await found("Are dense positions?", worded=Index(DENSE))) == 1


async def test_a_question_that_names_nothing_is_searched_with_the_one_before() -> None:
    near = Index(DENSE)
    history = History((Turn("user", "Are positions dense?"), Turn("assistant", "Yes.")), 1, 2)

    assert texts(await found("And why?", near=near, history=history)) == [DENSE.text]
    assert near.asked[0][0] == "Are positions dense? And why?"


async def test_words_are_searched_as_of_the_question_and_nobody_waits_for_embeddings() -> None:
    near, worded = Index(DENSE), Index(DENSE)

    await found("Are positions dense?", near=near, worded=worded)

    assert worded.asked == [("Are positions dense?", 42)]
    assert near.asked == [("Are positions dense?", 0)]


async def test_a_view_that_is_behind_is_used_as_it_is() -> None:
    worded = Index(DENSE, errors=(ViewBehind("behind"),))

    assert texts(await found("Are positions dense?", worded=worded)) == [DENSE.text]
    assert [at for _, at in worded.asked] == [42, 0]


@pytest.mark.parametrize("broken", ["near", "worded"])
async def test_one_search_may_fail(broken: str) -> None:
    gone = Index(errors=(Unavailable("gone", engine="x"),))
    searches = {"near": Index(DENSE), "worded": Index(DENSE), broken: gone}

    assert texts(await found("Are positions dense?", **searches)) == [DENSE.text]


async def test_both_searches_failing_is_an_error_and_not_an_empty_answer() -> None:
    def gone() -> Index:
        return Index(errors=(Unavailable("gone", engine="x"),))

    with pytest.raises(Unavailable):
        await found("Are positions dense?", near=gone(), worded=gone())


async def test_one_text_in_two_documents_is_shown_once_and_all_are_bounded() -> None:
    twin = msgspec.structs.replace(DENSE, document_id=KITCHEN)
    many = [PassageHit(LAWS, n, "L", f"Positions are dense, part {n}.", 0.9) for n in range(9)]

    assert texts(await found("Are positions dense?", near=Index(DENSE, twin))) == [DENSE.text]
    assert len(await found("Are positions dense?", near=Index(*many))) == LIMITS.passages_max


def message(position: int, role: str, text: str, state: str = "final", **more: object) -> Message:
    kind = "chat" if role == "user" else "reply"
    fields = {"kind": kind, "name": None, "properties": None, **more}
    return Message(
        id=UUID(int=position), role=role, text=text, citations=[], state=state, notice=None,
        in_reply_to=None, run_id=None, position=position, occurred_at=NOON, **fields,
    )  # type: ignore[arg-type]  # fmt: skip


async def history(*messages: Message, limits: Limits = LIMITS) -> History:
    search = ContextSearch(Said(*messages), Index(), Index())
    return await search.history("demo", CONVERSATION, 99, limits)


async def test_history_has_what_was_said_to_its_end_and_where_it_stands() -> None:
    assert await history(
        message(3, "user", "Q"),
        message(8, "assistant", "half", "interrupted"),
        message(9, "assistant", "", "failed"),
        message(12, "user", "", kind="action", name="click", properties={"b": 1, "a": 2}),
        message(15, "assistant", "A"),
    ) == History(
        (
            Turn("user", "Q"),
            Turn("user", '(action) click {"a": 2, "b": 1}'),
            Turn("assistant", "A"),
        ),
        3,
        15,
    )


async def test_history_is_bounded_in_whole_turns_and_begins_with_the_user() -> None:
    turns = [message(n, "user" if n % 2 else "assistant", "x" * 10) for n in range(1, 9)]

    few = await history(*turns, limits=Limits(history_chars_max=35))

    assert (few.first, few.last, len(few.turns)) == (7, 8, 2)
    assert few.turns[0].role == "user"
    assert await history(*turns, limits=Limits(history_chars_max=9)) == History()
