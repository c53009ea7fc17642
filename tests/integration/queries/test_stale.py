"""Answers that may lack what waits in quarantine say so; all others do not."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aigestion.kernel.errors import NotFound, Unavailable
from aigestion.projections.activity import activity
from aigestion.projections.conversations import conversations
from aigestion.projections.documents import documents
from aigestion.projections.keys import key_of
from aigestion.projections.model_calls import model_calls
from aigestion.projections.projection import Projection
from aigestion.projections.search import search
from aigestion.queries.conversations import ConversationQueries
from aigestion.queries.documents import DocumentQueries
from aigestion.queries.report_question import ReportQuestion, checked
from aigestion.queries.reports import ReportQueries
from aigestion.readstores.clickhouse.store import ClickHouseReadStore
from aigestion.readstores.parked import ParkedKey
from aigestion.readstores.port import View
from tests.support.history import BEGINNING, History, chat, document, id_of, started
from tests.support.postgres_views import Views

YEAR = {"start": datetime(2026, 1, 1, tzinfo=UTC), "end": datetime(2027, 1, 1, tzinfo=UTC)}
HARBOUR = key_of("demo", "conversation", id_of("harbour"))
MANUAL = key_of("demo", "document", id_of("manual"))


def park(views: Views, projection: Projection, *keys: str) -> None:
    waiting = {
        key: ParkedKey(
            key=key,
            tenant=key.partition("/")[0],
            events=1,
            position=2,
            type="user.chat",
            error="broken",
            since=BEGINNING,
        )
        for key in keys
    }
    view = views.view(projection)
    views.progress.advance(view, views.progress.position(projection.name), waiting)


@pytest.fixture
async def shown(views: Views) -> Views:
    history = History()
    for name in ("harbour", "island"):
        history.happened(started(name))
        history.happened(chat("dense fog", name))
        history.happened(started(name), tenant="acme")
    history.happened(document("manual", "dense text"))
    history.happened(document("leaflet", "dense text"))
    await views.show(history.events)
    return views


async def test_a_transcript_is_stale_if_its_conversation_is_parked(shown: Views) -> None:
    queries = ConversationQueries(shown.pool, shown.progress)
    assert not (await queries.transcript("demo", id_of("harbour"))).stale

    park(shown, conversations, HARBOUR)

    assert (await queries.transcript("demo", id_of("harbour"))).stale
    assert not (await queries.transcript("demo", id_of("island"))).stale
    assert not (await queries.transcript("acme", id_of("harbour"))).stale
    turns = await queries.turns("demo", id_of("harbour"), before=100, limit=5)
    assert (turns.stale, len(turns.data)) == (True, 1)
    assert not (await queries.turns("demo", id_of("island"), before=100, limit=5)).stale


async def test_a_list_is_stale_if_anything_of_its_tenant_is_parked(shown: Views) -> None:
    queries = ConversationQueries(shown.pool, shown.progress)
    assert not (await queries.page("demo", limit=5)).stale

    park(shown, conversations, HARBOUR)

    assert (await queries.page("demo", limit=5)).stale
    assert not (await queries.page("acme", limit=5)).stale


async def test_a_conversation_whose_beginning_is_parked_is_not_said_to_be_nowhere(
    shown: Views,
) -> None:
    queries = ConversationQueries(shown.pool, shown.progress)
    park(shown, conversations, key_of("demo", "conversation", id_of("lighthouse")))

    with pytest.raises(Unavailable, match="in quarantine"):
        await queries.transcript("demo", id_of("lighthouse"))
    with pytest.raises(NotFound):
        await queries.transcript("demo", id_of("nowhere"))


async def test_documents_are_stale_alike(shown: Views) -> None:
    queries = DocumentQueries(shown.pool, shown.progress)
    park(shown, documents, MANUAL, key_of("demo", "document", id_of("new")))

    assert (await queries.document("demo", id_of("manual"))).stale
    assert not (await queries.document("demo", id_of("leaflet"))).stale
    assert (await queries.page("demo", limit=5)).stale
    assert not (await queries.page("acme", limit=5)).stale
    with pytest.raises(Unavailable, match="in quarantine"):
        await queries.document("demo", id_of("new"))


async def test_a_search_is_stale_if_it_could_have_found_more(shown: Views) -> None:
    queries = shown.search()
    park(shown, search, HARBOUR)

    assert (await queries.search("demo", "dense", limit=5)).stale
    assert (await queries.passages("demo", "dense", 5)).stale
    for conversation, stale in (("harbour", True), ("island", False)):
        found = await queries.search("demo", "dense", conversation_id=id_of(conversation), limit=5)
        assert (found.stale, len(found.data.items)) == (stale, 1)
    assert not (await queries.search("acme", "dense", limit=5)).stale


@pytest.fixture
async def clickhouse(tmp_path: Path) -> AsyncIterator[ClickHouseReadStore]:
    async with ClickHouseReadStore.open(tmp_path / "clickhouse") as store:
        yield store


async def test_usage_is_stale_if_either_of_its_views_lacks_something(
    views: Views, clickhouse: ClickHouseReadStore
) -> None:
    queries = ReportQueries(clickhouse, views.progress)
    usage = checked(ReportQuestion(report="usage", **YEAR))
    for projection in (activity, model_calls):
        await clickhouse.prepare(View(projection.name, projection.version, 1))
        park(views, projection)
    assert not (await queries.report("demo", usage)).stale

    park(views, model_calls, key_of("demo", "event", id_of("call")))

    assert (await queries.report("demo", usage)).stale
    assert not (await queries.report("acme", usage)).stale
