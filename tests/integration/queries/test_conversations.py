"""The read model `conversations`, asked."""

from collections.abc import Sequence
from typing import Any

import pytest

from aigestion.events.conversation import (
    Citation,
    ConversationArchived,
    ConversationRenamed,
    ConversationUnarchived,
    UserAction,
)
from aigestion.events.run import ModelFailed, RunFailed
from aigestion.kernel.errors import InvalidInput, NotFound, Unavailable, ViewBehind
from aigestion.kernel.ids import derived_id
from aigestion.queries import conversations
from aigestion.queries.conversations import ConversationFilter, ConversationQueries
from aigestion.queries.documents import DocumentQueries
from tests.support.history import BEGINNING, History, chat, document, id_of, replied, started
from tests.support.postgres_views import Views

HARBOUR = id_of("harbour")
PAGES_MAX = 10
WHO: dict[str, Any] = {"conversation_id": HARBOUR, "user_id": "ana", "agent": "assistant"}


@pytest.fixture
def queries(views: Views) -> ConversationQueries:
    return ConversationQueries(views.pool, views.progress)


async def pages(
    queries: ConversationQueries, limit: int, cursor: str | None = None
) -> Sequence[list[str | None]]:
    found = []
    for _ in range(PAGES_MAX):
        page = (await queries.page("demo", limit=limit, cursor=cursor)).data
        found.append([one.title for one in page.items])
        cursor = page.next_cursor
        if cursor is None:
            return found
    raise AssertionError(f"no end after {PAGES_MAX} pages")


async def test_a_transcript_has_everything_that_was_said_and_done(
    views: Views, queries: ConversationQueries
) -> None:
    history = History()
    history.happened(started(title="Boats"))
    heard = history.happened(chat("When does the ferry leave?"))
    citation = Citation(number=1, document_id=id_of("timetable"), passage=4, title="Timetable")
    reply = history.happened(replied(heard, "At nine [1].", citations=(citation,)))
    action = history.happened(UserAction(**WHO, name="ticket.bought", properties={"seats": 2}))
    await views.show(history.events)

    answer = await queries.transcript("demo", HARBOUR)

    transcript = answer.data
    assert answer.position == history.head
    assert (transcript.title, transcript.user_id, transcript.agent) == ("Boats", "ana", "assistant")
    assert transcript.earlier_messages == 0
    question, at_nine, bought = transcript.messages
    assert (question.id, question.role, question.kind) == (heard.id, "user", "chat")
    assert question.text == "When does the ferry leave?"
    assert at_nine.id == at_nine.run_id == reply.data.run_id
    assert (at_nine.in_reply_to, at_nine.state) == (heard.id, "final")
    assert at_nine.citations == [citation]
    assert (bought.kind, bought.name, bought.properties) == (
        "action",
        "ticket.bought",
        {"seats": 2},
    )
    assert bought.text == ""
    assert bought.occurred_at == action.occurred_at


async def test_a_run_that_fails_leaves_its_partial_text_and_a_notice(
    views: Views, queries: ConversationQueries
) -> None:
    history = History()
    history.happened(started())
    heard = history.happened(chat("When?"))
    run_id = derived_id(heard.id, "assistant")
    broke_off = ModelFailed(
        **WHO,
        run_id=run_id,
        call_id=id_of("call"),
        provider="openai",
        requested_model="gpt",
        reason="cut-off",
        message="The connection was closed.",
        requested_at=BEGINNING,
        partial_text="At ni",
    )
    ended = RunFailed(
        **WHO, run_id=run_id, in_reply_to=heard.id, reason="model", message="Please ask again."
    )

    await views.show([*history.events, history.happened(broke_off)])
    interrupted = (await queries.transcript("demo", HARBOUR)).data.messages[-1]
    await views.show([history.happened(ended)])
    failed = (await queries.transcript("demo", HARBOUR)).data.messages[-1]

    assert (interrupted.state, interrupted.text, interrupted.notice) == (
        "interrupted",
        "At ni",
        None,
    )
    assert (failed.state, failed.text, failed.notice) == ("failed", "At ni", "Please ask again.")
    assert failed.id == interrupted.id == run_id


async def test_a_reply_that_another_one_replaces_says_so(
    views: Views, queries: ConversationQueries
) -> None:
    history = History()
    history.happened(started())
    heard = history.happened(chat("When?"))
    history.happened(replied(heard, "At nine."))
    other = history.happened(chat("Where?"))
    history.happened(replied(other, "At the pier."))
    history.happened(replied(heard, "At ten.", run_id=id_of("again")))
    failed = RunFailed(
        **WHO, run_id=id_of("once more"), in_reply_to=heard.id, reason="model", message="Sorry."
    )
    history.happened(failed)
    await views.show(history.events)

    messages = (await queries.transcript("demo", HARBOUR)).data.messages
    earlier = (await queries.turns("demo", HARBOUR, before=6, limit=9)).data

    assert [(one.text, one.state, one.replaced) for one in messages] == [
        ("When?", "final", False),
        ("At nine.", "final", True),
        ("Where?", "final", False),
        ("At the pier.", "final", False),
        ("At ten.", "final", False),
        ("", "failed", False),
    ]
    assert not any(one.replaced for one in earlier)


async def test_one_message_is_found_in_its_conversation_only(
    views: Views, queries: ConversationQueries
) -> None:
    history = History()
    history.happened(started())
    heard = history.happened(chat("When?"))
    await views.show(history.events)

    found = (await queries.message("demo", HARBOUR, heard.id)).data

    assert (found.id, found.text, found.position) == (heard.id, "When?", heard.position)
    for tenant, conversation, message in (
        ("acme", HARBOUR, heard.id),
        ("demo", id_of("island"), heard.id),
        ("demo", HARBOUR, id_of("never")),
    ):
        with pytest.raises(NotFound):
            await queries.message(tenant, conversation, message)


async def test_a_long_conversation_shows_its_end_and_says_how_much_came_before(
    views: Views, queries: ConversationQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "TRANSCRIPT_MESSAGES_MAX", 3)
    history = History()
    history.happened(started())
    for n in range(5):
        history.happened(chat(f"message {n}"))
    await views.show(history.events)

    transcript = (await queries.transcript("demo", HARBOUR)).data

    assert [message.text for message in transcript.messages] == [f"message {n}" for n in (2, 3, 4)]
    assert transcript.earlier_messages == 2


async def test_turns_are_the_last_messages_before_a_position_oldest_first(
    views: Views, queries: ConversationQueries
) -> None:
    history = History()
    history.happened(started())
    for n in range(5):
        history.happened(chat(f"message {n}"))
    await views.show(history.events)

    turns = (await queries.turns("demo", HARBOUR, before=5, limit=2)).data

    assert [message.text for message in turns] == ["message 1", "message 2"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 200])
async def test_pages_show_every_conversation_once_newest_first(
    views: Views, queries: ConversationQueries, limit: int
) -> None:
    history = History()
    for n in range(7):
        history.happened(started(f"c{n}", title=f"{n}"))
        history.happened(chat("Hello", f"c{n}"))
    await views.show(history.events)

    found = await pages(queries, limit)

    assert [title for page in found for title in page] == list("6543210")
    assert all(len(page) == limit for page in found[:-1])


async def test_paging_is_not_disturbed_by_what_happens_meanwhile(
    views: Views, queries: ConversationQueries
) -> None:
    history = History()
    for n in range(6):
        history.happened(started(f"c{n}", title=f"{n}"))
    await views.show(history.events)
    first = (await queries.page("demo", limit=2)).data

    more = [
        history.happened(started("late", title="late")),
        history.happened(chat("Back again", "c0")),
    ]
    await views.show(more)
    rest = await pages(queries, 2, first.next_cursor)

    assert [one.title for one in first.items] == ["5", "4"]
    assert rest == [["3", "2"], ["1", "0"]]


async def test_the_list_is_filtered_by_archive_agent_user_and_last_activity(
    views: Views, queries: ConversationQueries
) -> None:
    history = History()
    history.happened(started("one", title="one"))
    history.happened(started("two", title="two", agent="clerk"))
    history.happened(started("three", title="three", user_id="bo"))
    spoken = history.happened(chat("Hello", "one"))
    for kept in (ConversationArchived, ConversationUnarchived, ConversationArchived):
        history.happened(kept(conversation_id=id_of("two"), user_id="ana"))
    await views.show(history.events)

    async def titles(**which: Any) -> list[str | None]:
        page = (await queries.page("demo", ConversationFilter(**which), limit=9)).data
        return [one.title for one in page.items]

    assert await titles() == ["three", "two", "one"]
    assert await titles(archived=True) == ["two"]
    assert await titles(archived=False) == ["three", "one"]
    assert await titles(agent="clerk") == ["two"]
    assert await titles(user_id="bo") == ["three"]
    assert await titles(since=spoken.occurred_at) == ["one"]
    assert await titles(until=spoken.occurred_at) == ["three", "two"]
    first = (await queries.page("demo", limit=1)).data.next_cursor
    with pytest.raises(InvalidInput, match="cursor"):
        await queries.page("demo", ConversationFilter(archived=True), limit=1, cursor=first)


async def test_a_conversation_has_its_last_title(
    views: Views, queries: ConversationQueries
) -> None:
    history = History()
    history.happened(started(title="Boats"))
    who: dict[str, Any] = {"conversation_id": HARBOUR, "user_id": "ana"}
    history.happened(ConversationRenamed(**who, title="Ferries"))
    history.happened(ConversationArchived(**who))
    await views.show(history.events)

    transcript = (await queries.transcript("demo", HARBOUR)).data

    assert (transcript.title, transcript.archived) == ("Ferries", True)
    assert await queries.titles("demo", [HARBOUR]) == {HARBOUR: "Ferries"}


async def test_a_summary_counts_the_messages_and_knows_the_last_moment(
    views: Views, queries: ConversationQueries
) -> None:
    history = History()
    start = history.happened(started())
    heard = history.happened(chat("When?"))
    reply = history.happened(replied(heard, "At nine."))
    await views.show(history.events)

    [summary] = (await queries.page("demo", limit=10)).data.items

    assert (summary.messages, summary.position) == (2, 1)
    assert (summary.started_at, summary.last_at) == (start.occurred_at, reply.occurred_at)


async def test_a_foreign_conversation_is_as_unknown_as_one_that_never_was(
    views: Views, queries: ConversationQueries
) -> None:
    history = History()
    history.happened(started(), tenant="acme")
    history.happened(chat("Secret"), tenant="acme")
    await views.show(history.events)

    errors = []
    for conversation_id in (HARBOUR, id_of("never")):
        with pytest.raises(NotFound) as caught:
            await queries.transcript("demo", conversation_id)
        errors.append((str(caught.value), caught.value.details))

    assert errors[0] == errors[1]
    assert (await queries.turns("demo", HARBOUR, before=99, limit=9)).data == []
    assert (await queries.page("demo", limit=9)).data.items == []


@pytest.mark.parametrize("limit", [0, -1, 201, 10**9])
async def test_a_limit_out_of_bounds_is_named(
    views: Views, queries: ConversationQueries, limit: int
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await queries.page("demo", limit=limit)

    assert [error["field"] for error in caught.value.details["errors"]] == ["limit"]


async def test_a_cursor_of_another_tenant_or_query_is_refused(
    views: Views, queries: ConversationQueries
) -> None:
    history = History()
    for n in range(3):
        history.happened(started(f"c{n}"))
        history.happened(started(f"c{n}"), tenant="acme")
        history.happened(document(f"d{n}", "Text"))
    await views.show(history.events)
    theirs = (await queries.page("acme", limit=1)).data.next_cursor
    documents = DocumentQueries(views.pool, views.progress)
    other = (await documents.page("demo", limit=1)).data.next_cursor

    assert theirs is not None
    assert other is not None
    for cursor in (theirs, other, theirs[:-1], theirs + "A", "", "🙂", "e30", "A" * 10_000):
        with pytest.raises(InvalidInput) as caught:
            await queries.page("demo", limit=1, cursor=cursor)
        assert [error["field"] for error in caught.value.details["errors"]] == ["cursor"]


async def test_a_query_waits_for_the_position_it_must_see(
    views: Views, queries: ConversationQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History()
    history.happened(started())
    await views.show(history.events)
    monkeypatch.setattr(views.progress.at_least.__func__, "__defaults__", (0, 0.05))

    answer = await queries.page("demo", limit=1, min_position=1)
    with pytest.raises(ViewBehind):
        await queries.page("demo", limit=1, min_position=2)

    assert answer.position == 1


async def test_a_view_that_was_dropped_under_a_query_is_worth_another_try(
    views: Views, queries: ConversationQueries
) -> None:
    await views.show([History().happened(started())])
    view, _ = await views.progress.at_least("conversations")
    await views.store.drop(view)

    with pytest.raises(Unavailable):
        await queries.page("demo", limit=1)
