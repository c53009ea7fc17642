"""The read model `runs`, asked: lists, one run step by step, what the sweep must take up."""

from datetime import timedelta
from typing import Any

import pytest

from aigestion.events.recorded import Recorded
from aigestion.events.run import (
    ModelCompleted,
    ModelFailed,
    ModelRequested,
    RetrievedPassage,
    RunContextRetrieved,
    RunFailed,
    RunStarted,
)
from aigestion.kernel.errors import InvalidInput, NotFound, Unavailable
from aigestion.kernel.ids import derived_id
from aigestion.projections.keys import key_of
from aigestion.projections.runs import runs
from aigestion.queries.runs import RunFilter, RunQueries, UnfinishedRun
from tests.integration.queries.test_stale import park
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


def called(heard: Recorded[Any], attempt: int) -> list[Any]:
    """A model call that was asked for and one way it may end, after the other."""
    call: dict[str, Any] = {"run_id": run_of(heard), "call_id": id_of(f"call {attempt}")}
    requested = ModelRequested(
        **call,
        attempt=attempt,
        provider="openai",
        model="gpt",
        parameters={"output_tokens_max": 9},
        manifest=(),
    )
    end = {
        **call,
        "conversation_id": HARBOUR,
        "agent": "assistant",
        "provider": "openai",
        "requested_model": "gpt",
        "requested_at": heard.occurred_at,
        "duration_seconds": 1.5,
    }
    if attempt == 1:
        failure = {"reason": "timeout", "message": "Too slow.", "usage": {"prompt_tokens": 7}}
        return [requested, ModelFailed(**end, user_id="ana", **failure)]
    return [
        requested,
        ModelCompleted(
            **end,
            returned_model="gpt-1",
            finish_reason="stop",
            usage={"input": 8, "odd": [1.5]},
            input_tokens=8,
            output_tokens=3,
            first_token_seconds=0.25,
            output_hash="0",
        ),
    ]


async def test_a_run_shows_every_step(views: Views, queries: RunQueries) -> None:
    history = History()
    heard = history.happened(chat("One"))
    found = RetrievedPassage(document_id=id_of("log"), passage=4, score=0.0325)
    began = history.happened(begun(heard))
    retrieved = history.happened(
        RunContextRetrieved(run_id=run_of(heard), turns=2, passages=(found,))
    )
    asked = [history.happened(step) for attempt in (1, 2) for step in called(heard, attempt)]
    last = history.happened(replied(heard, "Yes."))
    await views.show(history.events)

    answer = await queries.run("demo", run_of(heard), min_position=last.position)

    run = answer.data
    assert (answer.position, answer.stale) == (last.position, False)
    assert (run.state, run.in_reply_to, run.reason) == ("replied", heard.id, None)
    assert (run.begun_at, run.started_at, run.ended_at) == (
        heard.occurred_at,
        began.occurred_at,
        last.occurred_at,
    )
    assert run.retrieval is not None
    assert (run.retrieval.at, run.retrieval.turns) == (retrieved.occurred_at, 2)
    assert run.retrieval.passages == [found]
    first, second = run.calls
    assert (first.attempt, first.state, first.reason, first.message) == (
        1, "failed", "timeout", "Too slow.",
    )  # fmt: skip
    assert (first.requested_at, first.ended_at) == (asked[0].occurred_at, asked[1].occurred_at)
    assert (first.input_tokens, first.returned_model) == (7, None)
    assert (second.state, second.requested_model, second.returned_model) == (
        "completed", "gpt", "gpt-1",
    )  # fmt: skip
    assert second.usage == {"input": 8, "odd": [1.5]}
    assert second.parameters == {"output_tokens_max": 9}
    assert (second.input_tokens, second.output_tokens, second.first_token_seconds) == (8, 3, 0.25)


async def test_a_run_that_failed_says_why(views: Views, queries: RunQueries) -> None:
    history = History()
    heard = history.happened(chat("One"))
    failure = RunFailed(
        run_id=run_of(heard), conversation_id=HARBOUR, user_id="ana", agent="assistant",
        in_reply_to=heard.id, reason="limit", message="Too much.",
    )  # fmt: skip
    history.happened(failure)
    await views.show(history.events)

    run = (await queries.run("demo", run_of(heard))).data

    assert (run.state, run.reason, run.notice) == ("failed", "limit", "Too much.")
    assert (run.retrieval, run.calls, run.started_at) == (None, [], None)


async def test_another_tenants_run_does_not_exist(views: Views, queries: RunQueries) -> None:
    history = History()
    heard = history.happened(chat("One"), tenant="acme")
    await views.show(history.events)

    with pytest.raises(NotFound):
        await queries.run("demo", run_of(heard))
    assert (await queries.page("demo", RunFilter(), limit=9)).data.items == []


async def test_a_parked_run_is_stale_and_an_unseen_one_unavailable(
    views: Views, queries: RunQueries
) -> None:
    history = History()
    heard = history.happened(chat("One"))
    await views.show(history.events)
    unseen = id_of("unseen")
    park(views, runs, *(key_of("demo", "run", run_id) for run_id in (run_of(heard), unseen)))

    assert (await queries.run("demo", run_of(heard))).stale
    assert (await queries.page("demo", RunFilter(), limit=9)).stale
    with pytest.raises(Unavailable):
        await queries.run("demo", unseen)


async def test_runs_are_paged_and_filtered(views: Views, queries: RunQueries) -> None:
    history = History()
    heard = [history.happened(chat(str(n), "harbour" if n % 2 else "island")) for n in range(6)]
    history.happened(begun(heard[5]))
    history.happened(replied(heard[0], "Yes."))
    action = RunStarted(
        run_id=id_of("of an action"), conversation_id=HARBOUR, agent="clerk",
        in_reply_to=id_of("action"),
    )  # fmt: skip
    history.happened(action)
    await views.show(history.events)

    async def ids(which: RunFilter, limit: int = 9) -> list[Any]:
        seen: list[Any] = []
        cursor = None
        while True:
            page = (await queries.page("demo", which, limit=limit, cursor=cursor)).data
            seen += [item.run_id for item in page.items]
            if (cursor := page.next_cursor) is None:
                return seen

    newest_first = [run_of(one) for one in reversed(heard)]
    assert await ids(RunFilter()) == [action.run_id, *newest_first]
    assert await ids(RunFilter(), limit=2) == [action.run_id, *newest_first]
    assert await ids(RunFilter(conversation_id=id_of("island"))) == [
        run_of(heard[n]) for n in (4, 2, 0)
    ]
    assert await ids(RunFilter(agent="clerk")) == [action.run_id]
    assert await ids(RunFilter(state="replied")) == [run_of(heard[0])]
    assert await ids(RunFilter(state="started")) == [action.run_id, run_of(heard[5])]
    within = RunFilter(since=heard[1].occurred_at, until=heard[3].occurred_at)
    assert await ids(within) == [run_of(heard[2]), run_of(heard[1])]
    first = (await queries.page("demo", RunFilter(), limit=1)).data.next_cursor
    with pytest.raises(InvalidInput, match="cursor"):
        await queries.page("demo", RunFilter(state="heard"), limit=1, cursor=first)


async def test_an_agent_of_one_tenant_may_be_asked_for(views: Views, queries: RunQueries) -> None:
    history = History()
    ours = history.happened(chat("One", agent="writer"))
    history.happened(chat("Two", agent="writer"), tenant="acme")
    await views.show(history.events)
    late = ours.recorded_at + timedelta(minutes=1)

    found = await queries.unfinished(["assistant", "demo/writer"], idle_before=late, limit=10)

    assert [run.in_reply_to for run in found] == [ours.id]
