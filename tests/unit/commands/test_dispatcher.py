"""The dispatcher: decides on remembered states, never refuses on stale ones, answers a request once."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest

from aigestion.commands.conversation.change_conversation import ChangeConversation
from aigestion.commands.conversation.post_interaction import Chat, PostInteraction
from aigestion.commands.conversation.start_conversation import StartConversation
from aigestion.commands.dispatcher import Dispatcher
from aigestion.commands.knowledge.add_document import AddDocument
from aigestion.commands.knowledge.remove_document import RemoveDocument
from aigestion.events.catalog import Catalog
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.master_key import FileMasterKey
from aigestion.eventstore.memory import MemoryBlobStore, MemoryEventStore, MemoryKeyTable
from aigestion.eventstore.port import NewEvent
from aigestion.eventstore.vault import Vault
from aigestion.kernel.context import Context, Request, requested
from aigestion.kernel.errors import (
    ConversationIsArchived,
    IdempotencyKeyReused,
    NotFound,
    Unavailable,
)
from aigestion.kernel.query import AppendCondition

CONVERSATION = UUID("01990000-0000-7000-8000-000000000001")
DOCUMENT = UUID("01990000-0000-7000-8000-00000000000d")
DEMO = Context(tenant="demo", actor="user:ana")
START = StartConversation(conversation_id=CONVERSATION, user_id="ana", agent="assistant")
CHAT = PostInteraction(conversation_id=CONVERSATION, what=Chat("hello"))


class CountingStore(MemoryEventStore):
    """Counts the reads, so that a test can tell whether a state was remembered; and keeps the last conditions."""

    reads = 0
    conditions: tuple[AppendCondition, ...] = ()

    async def append(self, events: Sequence[NewEvent], *conditions: AppendCondition) -> int:
        self.conditions = conditions
        return await super().append(events, *conditions)

    async def read(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        self.reads += 1
        return await super().read(*args, **kwargs)


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def codec(tmp_path: Path) -> Codec:
    vault = Vault(MemoryKeyTable(), FileMasterKey(tmp_path / "master.key"))
    return Codec(Catalog(), vault, MemoryBlobStore())


@pytest.fixture
def dispatcher(store: CountingStore, codec: Codec) -> Dispatcher:
    return Dispatcher(store, codec)


def document(text: str) -> AddDocument:
    return AddDocument(
        document_id=DOCUMENT,
        title="T",
        media_type="text/plain",
        source=None,
        text=text,
        content_hash=text,
    )


async def test_an_outcome_names_positions_and_ids(dispatcher: Dispatcher) -> None:
    started = await dispatcher.dispatch(START, DEMO)
    said = await dispatcher.dispatch(CHAT, DEMO)

    assert (started.position, said.position) == (1, 2)
    assert said.events[0].position == 2
    assert said.events[0].data.stored_as == "user.chat"


async def test_a_remembered_state_saves_the_read(
    dispatcher: Dispatcher, store: CountingStore
) -> None:
    await dispatcher.dispatch(START, DEMO)
    before = store.reads

    await dispatcher.dispatch(CHAT, DEMO)

    assert store.reads == before


async def test_a_condition_does_not_look_again_at_all_that_was_said_before(
    store: CountingStore, codec: Codec
) -> None:
    first, restarted = Dispatcher(store, codec), Dispatcher(store, codec)
    await first.dispatch(START, DEMO)
    for _ in range(5):
        await first.dispatch(CHAT, DEMO)

    outcome = await restarted.dispatch(CHAT, DEMO)

    assert [one.after for one in store.conditions] == [6]
    assert outcome.position == 7


async def test_what_comes_while_a_state_is_loaded_is_in_it(
    store: CountingStore, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, restarted = Dispatcher(store, codec), Dispatcher(store, codec)
    await first.dispatch(START, DEMO)
    head = store.head

    async def archived_meanwhile() -> int:
        monkeypatch.setattr(store, "head", head)
        await first.dispatch(ChangeConversation(conversation_id=CONVERSATION, archived=True), DEMO)
        return await head()

    monkeypatch.setattr(store, "head", archived_meanwhile)

    with pytest.raises(ConversationIsArchived):
        await restarted.dispatch(CHAT, DEMO)


async def test_a_state_that_many_wait_for_is_read_once(store: CountingStore, codec: Codec) -> None:
    first, restarted = Dispatcher(store, codec), Dispatcher(store, codec)
    await first.dispatch(START, DEMO)
    before = store.reads

    outcomes = await asyncio.gather(*(restarted.dispatch(CHAT, DEMO) for _ in range(20)))

    assert store.reads == before + 1
    assert sorted(one.position for one in outcomes) == list(range(2, 22))


async def test_who_gives_up_waiting_for_a_state_does_not_end_it_for_others(
    store: CountingStore, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, restarted = Dispatcher(store, codec), Dispatcher(store, codec)
    await first.dispatch(START, DEMO)
    head, asked, go_on = store.head, asyncio.Event(), asyncio.Event()

    async def slow() -> int:
        asked.set()
        await go_on.wait()
        return await head()

    monkeypatch.setattr(store, "head", slow)
    impatient, patient = (asyncio.create_task(restarted.dispatch(CHAT, DEMO)) for _ in range(2))
    await asked.wait()
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    go_on.set()

    assert (await patient).position == 2
    assert impatient.cancelled()


async def test_a_failed_load_is_tried_anew_by_the_next(
    store: CountingStore, codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatcher = Dispatcher(store, codec)

    async def broken() -> int:
        raise Unavailable("the log does not answer")

    with monkeypatch.context() as outage:
        outage.setattr(store, "head", broken)
        with pytest.raises(Unavailable):
            await dispatcher.dispatch(START, DEMO)

    assert (await dispatcher.dispatch(START, DEMO)).position == 1


async def test_another_process_is_noticed_by_the_append_condition(
    store: CountingStore, codec: Codec
) -> None:
    ours, theirs = Dispatcher(store, codec), Dispatcher(store, codec)
    await ours.dispatch(document("one"), DEMO)
    await theirs.dispatch(document("two"), DEMO)

    outcome = await ours.dispatch(document("three"), DEMO)

    assert outcome.position == 3


async def test_nobody_is_refused_on_an_old_state(store: CountingStore, codec: Codec) -> None:
    ours, theirs = Dispatcher(store, codec), Dispatcher(store, codec)
    with pytest.raises(NotFound):
        await ours.dispatch(CHAT, DEMO)
    await theirs.dispatch(START, DEMO)

    outcome = await ours.dispatch(CHAT, DEMO)

    assert outcome.position == 2


async def test_no_news_on_an_old_state_is_decided_again(store: CountingStore, codec: Codec) -> None:
    ours, theirs = Dispatcher(store, codec), Dispatcher(store, codec)
    await ours.dispatch(document("one"), DEMO)
    await theirs.dispatch(RemoveDocument(DOCUMENT), DEMO)

    outcome = await ours.dispatch(document("one"), DEMO)

    assert [event.data.stored_as for event in outcome.events] == ["document.added"]


async def test_the_same_request_gets_the_first_answer_again(dispatcher: Dispatcher) -> None:
    context = requested("demo", "user:ana", Request("key-1", b"body"))
    await dispatcher.dispatch(START, DEMO)

    first = await dispatcher.dispatch(CHAT, context)
    again = await dispatcher.dispatch(CHAT, context)

    assert (again.position, again.events[0].id) == (first.position, first.events[0].id)


async def test_the_first_answer_wins_over_a_refusal(dispatcher: Dispatcher) -> None:
    context = requested("demo", "user:ana", Request("key-1", b"remove"))
    await dispatcher.dispatch(document("one"), DEMO)

    first = await dispatcher.dispatch(RemoveDocument(DOCUMENT), context)
    again = await dispatcher.dispatch(RemoveDocument(DOCUMENT), context)

    assert again == first


async def test_a_hundred_copies_of_one_request_make_one_event(
    dispatcher: Dispatcher, store: CountingStore
) -> None:
    context = requested("demo", "user:ana", Request("key-1", b"body"))
    await dispatcher.dispatch(START, DEMO)

    outcomes = await asyncio.gather(*(dispatcher.dispatch(CHAT, context) for _ in range(100)))

    assert {outcome.events[0].id for outcome in outcomes} == {outcomes[0].events[0].id}
    assert await store.head() == 2


async def test_a_request_key_with_another_body_is_refused(dispatcher: Dispatcher) -> None:
    await dispatcher.dispatch(START, DEMO)
    await dispatcher.dispatch(CHAT, requested("demo", "user:ana", Request("key-1", b"body")))

    with pytest.raises(IdempotencyKeyReused):
        await dispatcher.dispatch(CHAT, requested("demo", "user:ana", Request("key-1", b"other")))


async def test_another_tenant_finds_nothing(dispatcher: Dispatcher) -> None:
    await dispatcher.dispatch(START, DEMO)

    with pytest.raises(NotFound):
        await dispatcher.dispatch(CHAT, Context(tenant="other", actor="user:ana"))


async def test_a_request_key_belongs_to_its_tenant(dispatcher: Dispatcher) -> None:
    request = Request("key-1", b"body")
    first = await dispatcher.dispatch(START, requested("demo", "user:ana", request))
    other = await dispatcher.dispatch(START, requested("other", "user:ana", request))

    assert other.position == first.position + 1
