"""One tenant's data never changes another's answers: byte for byte the same with and without it."""

from collections.abc import Sequence
from typing import Any

import msgspec

from aigestion.events.directory import AgentRegistered
from aigestion.events.event import Event
from aigestion.events.knowledge import DocumentRemoved
from aigestion.kernel.errors import NotFound
from aigestion.queries.conversations import ConversationQueries
from aigestion.queries.directory import DirectoryQueries
from aigestion.queries.documents import DocumentQueries
from aigestion.queries.runs import RunFilter, RunQueries
from tests.support.history import History, chat, document, id_of, started
from tests.support.postgres_views import Views

OURS: Sequence[Event] = (
    AgentRegistered(agent="assistant", description="Ours.", hears=()),
    started(title="Boats"),
    chat("Where is the dense ferry?"),
    document("log", "A position is dense when there are no holes."),
    document("harbour", "The ferry leaves at nine."),
)
THEIRS: Sequence[Event] = (
    AgentRegistered(agent="assistant", description="Theirs.", hears=()),
    started(title="Stolen"),
    chat("dense ferry dense ferry"),
    started("other"),
    chat("ferry", "other"),
    document("log", "dense dense dense ferry position"),
    document("more", "ferry " * 100),
    DocumentRemoved(document_id=id_of("harbour")),
)


async def answers(views: Views) -> bytes:
    """Everything `demo` can ask, as JSON."""
    conversations = ConversationQueries(views.pool, views.progress)
    documents = DocumentQueries(views.pool, views.progress)
    runs = RunQueries(views.pool, views.progress)
    search = views.search()
    directory = DirectoryQueries(views.pool, views.progress)
    harbour = id_of("harbour")
    missing: list[str] = []
    for ask in (
        conversations.transcript("demo", id_of("other")),
        documents.document("demo", id_of("more")),
    ):
        try:
            await ask
        except NotFound as error:
            missing.append(str(error))
    found: list[Any] = [
        (await conversations.page("demo", limit=1)).data,
        (await conversations.transcript("demo", harbour)).data,
        (await conversations.turns("demo", harbour, before=99, limit=9)).data,
        (await documents.page("demo", limit=1)).data,
        (await documents.document("demo", id_of("log"))).data,
        (await documents.document("demo", harbour)).data,
        (await runs.page("demo", RunFilter(), limit=9)).data,
        (await search.search("demo", "ferry", limit=1)).data,
        (await search.search("demo", "dense", limit=9)).data,
        (await search.passages("demo", "where is the dense ferry position", 9)).data,
        (await directory.agents("demo")).data,
        missing,
    ]
    assert len(missing) == 2
    return msgspec.json.encode(found)


async def test_another_tenants_data_changes_no_answer(views: Views) -> None:
    alone = History()
    for event in OURS:
        alone.happened(event)
    await views.show(alone.events)
    without = await answers(views)

    crowded = Views(views.pool, generation=2)
    both = History()
    both.events = list(alone.events)
    for event in THEIRS:
        both.happened(event, tenant="acme")
    await crowded.show(both.events)

    assert await answers(crowded) == without
    assert await answers(crowded) != b"[]"
