"""What must hold when everything has come to rest, found by code that shares nothing with the program's own."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from aigestion.events.recorded import Recorded
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.port import NewEvent, SequencedEvent
from aigestion.eventstore.vault import Vault
from aigestion.projections.conversations import conversations
from aigestion.readstores.port import Delete, Put
from tests.simulation.clients import Clients
from tests.simulation.log_tables import Stored
from tests.simulation.program import CATALOG, NoWrapping
from tests.simulation.run_checks import open_runs, run_violations
from tests.simulation.world import World


async def violations(world: World, clients: Clients) -> list[str]:
    """Every promise that was broken, in a sentence each; empty is well."""
    events = await opened(world)
    return [
        *world.failures,
        *clients.surprises,
        *_dense(world),
        *_conditions_held(world),
        *_commands(events, clients),
        *_archive(events),
        *_broker(world),
        *_view(world, events),
        *(run_violations(world, events) if world.of("agents") else ()),
    ]


def unrest(world: World) -> str | None:
    """What is still to be done, if anything."""
    head = len(world.database.log.events)
    if world.nats.last != head:
        return f"the broker ends at {world.nats.last}, the log at {head}"
    for name, view in world.database.views.items():
        if view.checkpoint != head:
            return f"{name} is at {view.checkpoint}, the log at {head}"
    if world.of("agents") and (waiting := open_runs(world)):
        return f"{waiting} messages have no reply"
    return None


async def opened(world: World) -> list[Recorded[Any]]:
    """The log as a program that has just started reads it."""
    codec = Codec(CATALOG, Vault(world.durable.keys, NoWrapping()), world.durable.blobs)
    return [await codec.open(_sequenced(one)) for one in world.database.log.events]


async def calls_lost(world: World) -> int:
    """Calls of which nobody knows how they went."""
    lost = [one for one in await opened(world) if one.type == "model.failed"]
    return sum(one.data.reason == "unknown" for one in lost)


def _dense(world: World) -> Iterator[str]:
    log = world.database.log
    for place, event in enumerate(log.events, 1):
        if event.position != place:
            yield f"position {event.position} stands at place {place}"
    if len(log.ids) != len(log.events):
        yield "an event is in the log twice"


def _conditions_held(world: World) -> Iterator[str]:
    """No request was accepted whose condition an earlier event met."""
    events = world.database.log.events
    for guards, head_before, last in world.database.log.judged:
        for after, types, tags, tenant in guards:
            for one in events[after:head_before]:
                if (
                    (not types or one.type in types)
                    and set(tags) <= set(one.tags)
                    and tenant in (None, one.tenant)
                ):
                    yield f"the append that ends at {last} forbade {one.type} at {one.position}"


def _commands(events: list[Recorded[Any]], clients: Clients) -> Iterator[str]:
    found: dict[str, list[int]] = {}
    for one in events:
        marker = getattr(one.data, "text", None) or getattr(one.data, "title", None)
        if one.actor.startswith("user:") and marker:
            found.setdefault(marker, []).append(one.position)
    for sent in clients.sent:
        at = found.get(sent.marker, [])
        told = f"{sent.marker} was {sent.fate}"
        if len(at) > 1:
            yield f"{told} and is recorded {len(at)} times, at {at}"
        match sent.fate:
            case "acknowledged" if sent.position is not None and at != [sent.position]:
                yield f"{told} at {sent.position} and is recorded at {at}"
            case "refused" | "not recorded" if at and not sent.has_key:
                yield f"{told} and is recorded at {at}"
    started = Counter(one.tags[0] for one in events if one.type == "conversation.started")
    yield from (f"{tag} was started {n} times" for tag, n in started.items() if n > 1)


def _archive(events: list[Recorded[Any]]) -> Iterator[str]:
    archived: set[Any] = set()
    for one in events:
        conversation = getattr(one.data, "conversation_id", None)
        match one.type:
            case "conversation.archived":
                archived.add(conversation)
            case "conversation.unarchived":
                archived.discard(conversation)
            case "user.chat" if conversation in archived:
                yield f"position {one.position} was said in an archived conversation"


def _broker(world: World) -> Iterator[str]:
    events, nats = world.database.log.events, world.nats
    if nats.first is None:
        yield "there is no stream"
        return
    if nats.last != len(events):
        yield f"the broker ends at {nats.last}, the log at {len(events)}"
    for sequence, kept in enumerate(nats.stream, nats.first):
        expected = events[sequence - 1] if sequence <= len(events) else None
        if expected is None or kept.headers["ce-id"] != str(expected.id):
            yield f"the broker has another event than the log at {sequence}"


def _view(world: World, events: list[Recorded[Any]]) -> Iterator[str]:
    rows = folded(events)
    for name, view in world.database.views.items():
        if view.regressions:
            yield f"{name} went back {view.regressions} times"
        if view.ahead_of_log:
            yield f"{name} was ahead of the log {view.ahead_of_log} times"
        if view.checkpoint != len(events):
            yield f"{name} is at {view.checkpoint}, the log at {len(events)}"
        found = {at: _plain(row) for at, row in view.rows.items()}
        for at in rows.keys() | found.keys():
            if rows.get(at) != found.get(at):
                yield f"{name} has {found.get(at)} at {at}, the log makes it {rows.get(at)}"


def folded(events: list[Recorded[Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows that the events make."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for event in events:
        for change in conversations.project(event):
            match change:
                case Put(collection, key, fields):
                    rows.setdefault((collection, key), {}).update(fields)
                case Delete(collection, key):
                    rows.pop((collection, key), None)
    return {at: _plain(row) for at, row in rows.items()}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it, without what is None: both sides alike."""
    return {name: msgspec.to_builtins(v) for name, v in sorted(row.items()) if v is not None}


def _sequenced(one: Stored) -> SequencedEvent:
    values = one._asdict()
    position, recorded_at = values.pop("position"), values.pop("recorded_at")
    values["tags"] = tuple(values["tags"])
    return SequencedEvent(position=position, recorded_at=recorded_at, event=NewEvent(**values))
