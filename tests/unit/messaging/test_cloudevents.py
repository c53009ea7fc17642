"""Events become CloudEvents messages, and come back equal."""

from datetime import UTC, datetime
from urllib.parse import unquote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigestion.events.catalog import Catalog
from aigestion.events.conversation import UserChat
from aigestion.events.event import Event
from aigestion.events.recorded import Recorded
from aigestion.kernel.errors import UnknownEvent
from aigestion.messaging.cloudevents import DATA_BYTES_MAX, from_message, to_message
from tests.support.history import History, chat, id_of, started

_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_moments = st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 2))
_tags = st.lists(_texts.filter(bool), max_size=4).map(tuple)


@given(
    text=_texts,
    actor=_texts,
    tags=_tags,
    erased=st.sampled_from([(), ("text",), ("text", "title")]),
    causation_id=st.none() | st.uuids(),
    moment=_moments,
)
def test_an_event_comes_back_as_it_went(
    text: str,
    actor: str,
    tags: tuple[str, ...],
    erased: tuple[str, ...],
    causation_id: UUID | None,
    moment: datetime,
) -> None:
    event = chat(text)
    sent: Recorded[Event] = Recorded(
        position=7,
        id=id_of("event"),
        type="user.chat",
        schema_version=1,
        tags=tags,
        tenant="demo",
        actor=actor,
        correlation_id=id_of("correlation"),
        causation_id=causation_id,
        occurred_at=moment,
        recorded_at=moment,
        data=event,
        erased=erased,
    )

    message = to_message(sent)

    assert from_message(message, Catalog()) == sent
    assert all(_is_header_text(value) for value in message.headers.values())


def test_headers_are_what_any_cloudevents_reader_expects() -> None:
    history = History()
    history.happened(started())
    recorded = history.happened(chat("hello"))

    message = to_message(recorded)

    attributes = {name: unquote(value) for name, value in message.headers.items()}
    assert message.subject == "events.demo.user.chat"
    assert message.data == (
        b'{"conversation_id":"%s","user_id":"ana","agent":"assistant","text":"hello"}'
        % str(id_of("harbour")).encode()
    )
    assert attributes == {
        "content-type": "application/json",
        "ce-specversion": "1.0",
        "ce-id": str(recorded.id),
        "ce-type": "user.chat",
        "ce-source": "/aigestion/demo",
        "ce-time": "2026-05-01T12:30:02.123456+00:00",
        "ce-subject": f"conversation:{id_of('harbour')}",
        "ce-dataschema": "urn:aigestion:user.chat:1",
        "ce-position": "2",
        "ce-tenant": "demo",
        "ce-actor": "user:ana",
        "ce-correlationid": str(recorded.correlation_id),
        "ce-schemaversion": "1",
        "ce-recordedtime": "2026-05-01T12:30:02.126456+00:00",
        "ce-tags": f"conversation:{id_of('harbour')} user:ana",
    }


@pytest.mark.parametrize(("extra_bytes", "travels"), [(0, True), (1, False)])
def test_an_event_too_large_for_a_message_stays_in_the_log(extra_bytes: int, travels: bool) -> None:
    envelope = len(to_message(History().happened(chat(""))).data)
    recorded = History().happened(chat("x" * (DATA_BYTES_MAX - envelope + extra_bytes)))

    message = to_message(recorded)

    if travels:
        assert from_message(message, Catalog()) == recorded
    else:
        assert message.data == b"{}"
        assert unquote(message.headers["ce-dataref"]) == "/v1/events?after=0&limit=1"
        assert from_message(message, Catalog()) is None


def test_a_shape_this_program_does_not_have_is_read_from_the_log() -> None:
    class Newer(UserChat, frozen=True, kw_only=True):
        stored_as = "user.chat"
        version = 2

    message = to_message(History().happened(chat("hello")))

    assert from_message(message, Catalog((Newer,))) is None


def test_an_event_this_program_does_not_know_is_refused() -> None:
    message = to_message(History().happened(chat("hello")))

    with pytest.raises(UnknownEvent, match=r"user\.chat"):
        from_message(message, Catalog(()))


def _is_header_text(value: str) -> bool:
    return all(0x21 <= ord(character) <= 0x7E for character in value)
