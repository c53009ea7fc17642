"""The read model `runs`, asked: what the sweep must take up."""

from datetime import timedelta
from typing import Any

import pytest

from aigestion.events.recorded import Recorded
from aigestion.events.run import RunContextRetrieved, RunFailed, RunStarted
from aigestion.kernel.errors import InvalidInput
from aigestion.kernel.ids import derived_id
from aigestion.queries.runs import RunQueries, UnfinishedRun
from tests.support.history import History, chat, id_of, replied
from tests.support.postgres_views import Views

HARBOUR = id_of("harbour")


@pytest.fixture
def queries(views: Views) -> RunQueries:
    return RunQueries(views.pool, views.progress)


def run_of(heard: Recorded[Any]) -> Any:
    return derived_id(heard.id, "assistant")


def begun(heard: Recorded[Any]) -> RunStarted:
    return RunStarted(
        run_id=run_of(heard), conversation_id=HARBOUR, agent="assistant", in_reply_to=heard.id
    )


async def test_heard_and_started_runs_of_all_tenants_are_found_longest_idle_first(
    views: Views, queries: RunQueries
) -> None:
    history = History()
    waiting = history.happened(chat("One"), tenant="acme")
    working = history.happened(chat("Two"))
    answered = history.happened(chat("Three"))
    failed = history.happened(chat("Four"))
    history.happened(begun(working))
    history.happened(begun(answered))
    history.happened(replied(answered, "Yes."))
    failure = RunFailed(
        run_id=run_of(failed),
        conversation_id=HARBOUR,
        user_id="ana",
        agent="assistant",
        in_reply_to=failed.id,
        reason="limit",
        message="Too much.",
    )
    last = history.happened(failure)
    await views.show(history.events)

    found = await queries.unfinished(["assistant"], idle_before=last.recorded_at, limit=10)

    assert found[0] == UnfinishedRun(
        run_id=run_of(waiting),
        tenant="acme",
        conversation_id=HARBOUR,
        agent="assistant",
        in_reply_to=waiting.id,
        event_position=waiting.position,
        state="heard",
        touched_at=waiting.recorded_at,
    )
    assert [(run.run_id, run.state, run.event_position) for run in found[1:]] == [
        (run_of(working), "started", working.position)
    ]


async def test_a_run_somebody_works_on_is_not_found(views: Views, queries: RunQueries) -> None:
    history = History()
    heard = history.happened(chat("One"))
    history.happened(begun(heard))
    step = history.happened(RunContextRetrieved(run_id=run_of(heard), turns=0, passages=()))
    await views.show(history.events)

    before = await queries.unfinished(["assistant"], idle_before=step.recorded_at, limit=10)
    after = await queries.unfinished(
        ["assistant"], idle_before=step.recorded_at + timedelta(microseconds=1), limit=10
    )

    assert before == []
    assert [run.run_id for run in after] == [run_of(heard)]


async def test_no_more_runs_than_asked_for(views: Views, queries: RunQueries) -> None:
    history = History()
    events = [history.happened(chat("One")) for _ in range(5)]
    await views.show(events)

    found = await queries.unfinished(["assistant"], idle_before=events[-1].recorded_at, limit=2)

    assert [run.in_reply_to for run in found] == [event.id for event in events[:2]]
    with pytest.raises(InvalidInput):
        await queries.unfinished(["assistant"], idle_before=events[-1].recorded_at, limit=0)


async def test_runs_of_other_agents_do_not_count(views: Views, queries: RunQueries) -> None:
    history = History()
    waiting = history.happened(chat("One"))
    await views.show(history.events)
    at = waiting.recorded_at + timedelta(seconds=1)

    assert await queries.unfinished(["elsewhere"], idle_before=at, limit=10) == []
    assert len(await queries.unfinished(["assistant"], idle_before=at, limit=10)) == 1


async def test_an_agent_of_one_tenant_may_be_asked_for(views: Views, queries: RunQueries) -> None:
    history = History()
    ours = history.happened(chat("One", agent="writer"))
    history.happened(chat("Two", agent="writer"), tenant="acme")
    await views.show(history.events)
    late = ours.recorded_at + timedelta(minutes=1)

    found = await queries.unfinished(["assistant", "demo/writer"], idle_before=late, limit=10)

    assert [run.in_reply_to for run in found] == [ours.id]
