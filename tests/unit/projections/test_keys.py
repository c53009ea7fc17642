"""Keys: events that touch one row belong to one line, or order would be lost in quarantine."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aigestion.events.directory import AgentRegistered, KeyIssued, KeyRevoked, TenantCreated
from aigestion.events.event import Event
from aigestion.events.knowledge import DocumentRemoved
from aigestion.events.recorded import Recorded
from aigestion.events.run import ModelRequested, RunFailed, RunStarted
from aigestion.kernel.ids import derived_id
from aigestion.projections.catalog import PROJECTIONS
from aigestion.projections.conversations import conversations
from aigestion.projections.directory import directory
from aigestion.projections.documents import documents
from aigestion.projections.fold import Fold
from aigestion.projections.keys import key_of
from aigestion.projections.passages import passages
from aigestion.projections.projection import Projection
from aigestion.projections.runs import runs
from aigestion.projections.search import search
from aigestion.readstores.port import Delete, DeleteWhere, Put
from tests.support.history import History, chat, document, id_of, replied, started
from tests.support.samples import history_of_everything

IDS = {"ids": lambda projection: projection.name}


def lines_of_rows(
    projection: Projection, events: Iterable[Recorded[Any]]
) -> dict[tuple[str, str], set[str | None]]:
    """Row -> the keys of the events that touched it."""
    lines: dict[tuple[str, str], set[str | None]] = defaultdict(set)
    fold = Fold(projection)
    for event in events:
        before = {key for key in lines if fold.row(key) is not None}
        for change in fold.apply(event):
            match change:
                case Put(collection, key) | Delete(collection, key):
                    lines[collection, key].add(projection.key(event))
                case DeleteWhere(collection):
                    for row in {row for row in before if fold.row(row) is None}:
                        lines[row].add(projection.key(event))
    return lines


@pytest.mark.parametrize("projection", PROJECTIONS, **IDS)
def test_a_row_belongs_to_one_line(projection: Projection) -> None:
    lines = lines_of_rows(projection, history_of_everything().events)

    assert lines
    assert {row: keys for row, keys in lines.items() if len(keys) != 1} == {}


@settings(max_examples=30, deadline=None)
@given(
    happened=st.lists(
        st.tuples(
            st.sampled_from(["started", "chat", "replied", "added", "removed"]),
            st.sampled_from("ab"),
            st.sampled_from(["demo", "acme"]),
        ),
        max_size=30,
    )
)
def test_a_row_belongs_to_one_line_whatever_happens(happened: list[tuple[str, str, str]]) -> None:
    history = History()
    heard: dict[tuple[str, str], Recorded[Any]] = {}
    for kind, name, tenant in happened:
        event: Event
        match kind:
            case "started":
                event = started(name)
            case "replied" if (tenant, name) in heard:
                event = replied(heard[tenant, name], "yes")
            case "added":
                event = document(name, f"text {history.head}")
            case "removed":
                event = DocumentRemoved(document_id=id_of(name))
            case _:
                event = chat("hello", name)
        recorded = history.happened(event, tenant=tenant)
        if kind == "chat":
            heard[tenant, name] = recorded

    for projection in PROJECTIONS:
        lines = lines_of_rows(projection, history.events)
        assert all(len(keys) == 1 for keys in lines.values()), projection.name


@pytest.mark.parametrize("projection", PROJECTIONS, **IDS)
def test_every_key_begins_with_its_tenant(projection: Projection) -> None:
    history = history_of_everything()

    for event in history.events:
        if projection.reads is None or type(event.data) in projection.reads:
            key = projection.key(event)
            assert key is not None
            assert key.partition("/")[0] == event.tenant


@pytest.mark.parametrize("projection", [conversations, search], **IDS)
def test_the_line_of_a_message_is_its_conversation(projection: Projection) -> None:
    """Queries ask by this key whether an answer is stale."""
    asked = History().happened(chat("hello"))

    assert projection.key(asked) == key_of("demo", "conversation", id_of("harbour"))


@pytest.mark.parametrize("projection", [documents, search, passages], **IDS)
def test_the_line_of_a_text_is_its_document(projection: Projection) -> None:
    added = History().happened(document("manual", "text"))

    assert projection.key(added) == key_of("demo", "document", id_of("manual"))


def test_a_run_is_one_line_from_what_was_heard_to_its_end() -> None:
    history = History()
    asked = history.happened(chat("hello"))
    run_id = derived_id(asked.id, "assistant")
    about: dict[str, Any] = {"run_id": run_id, "agent": "assistant", "in_reply_to": asked.id}
    conversation: dict[str, Any] = {"conversation_id": asked.data.conversation_id}
    requested = ModelRequested(
        run_id=run_id,
        call_id=id_of("call"),
        attempt=1,
        provider="builtin",
        model="quotes",
        parameters={},
        manifest=(),
    )
    for event in (
        RunStarted(**about, **conversation),
        requested,
        RunFailed(**about, **conversation, user_id="ana", reason="timeout", message="Sorry."),
    ):
        history.happened(event)

    assert {runs.key(event) for event in history.events} == {f"demo/run:{run_id}"}


def test_the_directory_has_a_line_a_key_and_a_line_an_agent() -> None:
    history = History()
    issued = KeyIssued(key_id="k1", secret_hash="0", name="a key")
    agent = AgentRegistered(agent="assistant", description="", hears=())

    keys = [
        directory.key(history.happened(event))
        for event in (
            TenantCreated(tenant="demo", name="Demo"),
            issued,
            KeyRevoked(key_id="k1"),
            agent,
        )
    ]

    assert keys == ["demo", "demo/key:k1", "demo/key:k1", "demo/agent:assistant"]
