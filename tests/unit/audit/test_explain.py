"""What led to what: one request as a tree, whatever of it is asked for."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest

from aigestion.audit.explain import Explained, Step, explain
from aigestion.events.event import Event
from aigestion.events.recorded import Recorded
from aigestion.events.run import (
    ModelRequested,
    RetrievedPassage,
    RunContextRetrieved,
)
from aigestion.eventstore.reader import LogReader, TenantEvents
from aigestion.kernel.errors import NotFound
from aigestion.llm.port import Source
from tests.unit.audit.histories import (
    ASKED,
    COMPLETED,
    DOCUMENT,
    HEARD,
    QUESTION,
    REPLIED,
    RUN,
    STARTED,
    Truth,
)

REQUEST = UUID("0199aa10-0000-7000-8000-0000000000cc")
RETRIEVED = RunContextRetrieved(
    run_id=RUN,
    turns=2,
    passages=(RetrievedPassage(DOCUMENT, 3, 0.5), RetrievedPassage(DOCUMENT, 9, 0.25)),
)
REQUESTED = ModelRequested(
    run_id=RUN,
    call_id=COMPLETED.call_id,
    attempt=1,
    provider="builtin",
    model="builtin",
    parameters={"output_tokens_max": 400},
    manifest=("system:blob:00", "source:1:00", "user:2:00"),
)
WHOLE: tuple[Event, ...] = (ASKED, HEARD, RETRIEVED, REQUESTED, COMPLETED, REPLIED)


async def tell_whole(truth: Truth) -> None:
    """A conversation is started, a question asked and answered, and another conversation goes on."""
    await truth.tell([STARTED, *WHOLE, ASKED])
    for position in range(2, 8):
        cause = None if position == 2 else QUESTION
        truth.history.change(position, correlation_id=REQUEST, causation_id=cause)


async def sources(_context: Recorded[RunContextRetrieved]) -> Sequence[Source]:
    """The second passage is no more."""
    return [Source(1, DOCUMENT, 3, "Architecture", "Positions are dense.")]


async def explained(truth: Truth, asked: UUID, tenant: str = "demo") -> Explained:
    events = TenantEvents(LogReader(truth.history, truth.codec), tenant)
    return await explain(events, asked, sources)


def shape(step: Step) -> tuple[object, ...]:
    return (step.event.position, *map(shape, step.led_to))


@pytest.fixture
def truth(tmp_path: Path) -> Truth:
    return Truth(tmp_path)


async def test_each_event_stands_under_the_one_that_led_to_it(truth: Truth) -> None:
    await tell_whole(truth)

    tree = await explained(truth, QUESTION)

    assert [shape(root) for root in tree.roots] == [(2, (3, (4,), (5, (6,)), (7,)))]
    assert tree.correlation_id == REQUEST
    [root] = tree.roots
    assert root.seconds is None
    assert [step.seconds for step in root.led_to[0].led_to] == [60, 120, 240]


async def test_any_event_of_it_and_the_run_lead_to_the_same_tree(truth: Truth) -> None:
    await tell_whole(truth)
    whole = [shape(root) for root in (await explained(truth, QUESTION)).roots]

    for position in range(2, 8):
        asked = truth.history.rows[position - 1].event.id
        assert [shape(root) for root in (await explained(truth, asked)).roots] == whole
    assert [shape(root) for root in (await explained(truth, RUN)).roots] == whole


async def test_what_was_retrieved_is_told_with_its_text(truth: Truth) -> None:
    await tell_whole(truth)

    [root] = (await explained(truth, RUN)).roots
    first, second = root.led_to[0].led_to[0].passages

    assert (first.number, first.score, first.title) == (1, 0.5, "Architecture")
    assert (second.number, second.document_id, second.passage) == (2, DOCUMENT, 9)
    assert second.text is None


async def test_an_event_alone_is_a_tree_of_one(truth: Truth) -> None:
    await tell_whole(truth)

    tree = await explained(truth, truth.history.rows[0].event.id)

    assert [shape(root) for root in tree.roots] == [(1,)]


async def test_a_cause_that_comes_later_is_no_cause(truth: Truth) -> None:
    await tell_whole(truth)
    reply = truth.history.rows[6].event.id
    truth.history.change(2, causation_id=reply)

    tree = await explained(truth, QUESTION)

    assert [step.event.position for step in tree.roots] == [2]


@pytest.mark.parametrize("asked", [UUID(int=7), QUESTION, RUN])
async def test_what_is_unknown_or_another_tenants_is_not_found(truth: Truth, asked: UUID) -> None:
    await tell_whole(truth)

    with pytest.raises(NotFound, match="no event and no run"):
        await explained(truth, asked, tenant="other")
