"""Explain: what one request led to, as a tree of causes, with times and what was retrieved."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from operator import attrgetter
from typing import Any
from uuid import UUID

import msgspec

from aigestion.audit.reading import pages
from aigestion.events.recorded import Recorded
from aigestion.events.run import (
    ModelCompleted,
    ModelFailed,
    ModelRequested,
    RunContextRetrieved,
    RunStarted,
)
from aigestion.eventstore.reader import Events
from aigestion.kernel.errors import NotFound
from aigestion.kernel.query import matching
from aigestion.llm.port import Source

PAGE_EVENTS_MAX = 500

SourcesOf = Callable[[Recorded[RunContextRetrieved]], Awaitable[Sequence[Source]]]
"""The passages of a recorded context that the log still has, each with its number."""


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """One passage an agent retrieved."""

    number: int
    score: float
    document_id: UUID
    passage: int
    title: str | None = None
    """None, as the text, if the document was erased since, or is cut otherwise now."""
    text: str | None = None


class Step(msgspec.Struct, kw_only=True, eq=False):
    """An event, and what it caused."""

    event: Recorded[Any]
    seconds: float | None = None
    """How long after its cause it occurred; None for what has no cause here."""
    passages: tuple[Passage, ...] = ()
    led_to: list["Step"] = []


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of one correlation."""

    asked: UUID
    """The event or the run that was asked for."""
    correlation_id: UUID
    roots: list[Step]
    """What nothing here caused: as a rule one event, what a user said."""


async def explain(events: Events, asked: UUID, sources_of: SourcesOf) -> Explained:
    """The whole tree that an event or a run is part of; `NotFound` if there is none of that id."""
    [*of_run] = await events.read(matching(f"run:{asked}"), limit=1)
    seed = of_run[0] if of_run else await events.find(asked)
    if seed is None:
        raise NotFound(f"There is no event and no run {asked}.")
    steps = {
        event.id: Step(event=event, passages=await _passages(event, sources_of))
        for event in await _related(events, seed)
    }
    return Explained(asked=asked, correlation_id=seed.correlation_id, roots=_joined(steps))


async def _related(events: Events, seed: Recorded[Any]) -> list[Recorded[Any]]:
    """The events of the seed's correlation, found through the tags they share, in order of position."""
    upto = await events.head()
    found = {seed.position: seed}
    tags, asked = list(seed.tags), set[str]()
    while tags:
        tag = tags.pop()
        if tag in asked or tag.startswith("user:"):
            continue  # a user's events are many, and those of one request share another tag
        asked.add(tag)
        read = pages(events, matching(tag), after=0, upto=upto, page_events_max=PAGE_EVENTS_MAX)
        async with aclosing(read):
            async for page in read:
                for event in page:
                    if event.correlation_id == seed.correlation_id:
                        found[event.position] = event
                        tags += event.tags
    return [found[position] for position in sorted(found)]


def _joined(steps: dict[UUID, Step]) -> list[Step]:
    """Each step under the one that led to it; returns those that none did."""
    runs: dict[UUID, Step] = {}
    calls: dict[UUID, Step] = {}
    for step in steps.values():
        match step.event.data:
            case RunStarted(run_id=run_id):
                runs[run_id] = step
            case ModelRequested(call_id=call_id):
                calls[call_id] = step
            case _:
                pass  # leads to nothing that names it otherwise than by causation
    roots = []
    for step in sorted(steps.values(), key=attrgetter("event.position")):
        cause = _cause(step.event, steps, runs, calls)
        if cause is None:
            roots.append(step)
        else:
            step.seconds = (step.event.occurred_at - cause.event.occurred_at).total_seconds()
            cause.led_to.append(step)
    return roots


def _cause(
    event: Recorded[Any], steps: dict[UUID, Step], runs: dict[UUID, Step], calls: dict[UUID, Step]
) -> Step | None:
    """The narrowest: the model call, else the run, else the event that was heard. Never a later one."""
    data = event.data
    call = calls.get(data.call_id) if isinstance(data, ModelCompleted | ModelFailed) else None
    of_run = runs.get(getattr(data, "run_id", event.id))
    heard = steps.get(event.causation_id) if event.causation_id else None
    for cause in (call, of_run, heard):
        if cause is not None and cause.event.position < event.position:
            return cause
    return None


async def _passages(event: Recorded[Any], sources_of: SourcesOf) -> tuple[Passage, ...]:
    if not isinstance(event.data, RunContextRetrieved):
        return ()
    sources = {source.number: source for source in await sources_of(event)}
    passages = []
    for number, found in enumerate(event.data.passages, start=1):
        source = sources.get(number)
        passages.append(
            Passage(
                number=number,
                score=found.score,
                document_id=found.document_id,
                passage=found.passage,
                title=source.title if source else None,
                text=source.text if source else None,
            )
        )
    return tuple(passages)
