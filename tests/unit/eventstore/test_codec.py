"""The border of the log: sealed on the way in, whole on the way out, loud when anything was touched."""

import json
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest

from aigestion.events.catalog import Catalog, OlderShape
from aigestion.events.conversation import ConversationStarted, UserAction, UserChat
from aigestion.events.event import ERASED, Event, Personal, UserId
from aigestion.events.knowledge import DocumentRemoved
from aigestion.events.run import ModelRequested
from aigestion.events.sealed_field import SealedField
from aigestion.eventstore.codec import INLINE_FIELD_BYTES_MAX
from aigestion.eventstore.port import NewEvent
from aigestion.kernel.context import Context
from aigestion.kernel.errors import Corrupt, InvalidInput, Refused, UnknownEvent
from tests.unit.eventstore.log_border import (
    CONVERSATION,
    DEMO,
    DOCUMENT,
    EVENT,
    NOON,
    Border,
    chat,
    document,
)

CANARY = "xylophonquartz"
LARGE = f"{CANARY} " * (INLINE_FIELD_BYTES_MAX // len(CANARY))


@pytest.fixture
def border(tmp_path: Path) -> Border:
    return Border(tmp_path)


def changed(sealed: NewEvent, **fields: Any) -> NewEvent:
    """The stored event after somebody edited its data."""
    data = {**json.loads(sealed.data), **fields}
    return msgspec.structs.replace(sealed, data=msgspec.json.encode(data))


def requested(parameters: dict[str, Any]) -> ModelRequested:
    return ModelRequested(
        run_id=EVENT,
        call_id=EVENT,
        attempt=1,
        provider="openai",
        model="m",
        parameters=parameters,
        manifest=(),
    )


async def test_what_was_sealed_opens_equal_with_its_envelope(border: Border) -> None:
    sealed = await border.seal(chat("hello"), extra_tags=("request:1",))

    opened = await border.open(sealed, position=7)

    assert opened.data == chat("hello")
    assert (opened.position, opened.id, opened.type) == (7, EVENT, "user.chat")
    assert (opened.tenant, opened.actor, opened.schema_version) == ("demo", "user:ana", 1)
    assert opened.tags == (f"conversation:{CONVERSATION}", "user:ana", "request:1")
    assert (opened.correlation_id, opened.causation_id) == (DEMO.correlation_id, DEMO.causation_id)
    assert (opened.occurred_at, opened.recorded_at, opened.erased) == (NOON, NOON, ())


async def test_stored_tags_carry_the_tenant(border: Border) -> None:
    sealed = await border.seal(chat(), extra_tags=("request:1",))

    assert sealed.tags == (f"demo/conversation:{CONVERSATION}", "demo/user:ana", "demo/request:1")


async def test_personal_text_is_nowhere_in_the_stored_bytes(border: Border) -> None:
    sealed = await border.seal(chat(f"my secret is {CANARY}"))

    stored = json.loads(sealed.data)
    assert list(stored) == ["conversation_id", "user_id", "agent", "text"]
    assert list(stored["text"]) == ["sealed"]
    assert CANARY.encode() not in sealed.data


async def test_the_same_text_never_looks_the_same(border: Border) -> None:
    one, other = await border.seal(chat()), await border.seal(chat())

    assert one.data != other.data


async def test_nothing_stays_nothing(border: Border) -> None:
    started = ConversationStarted(conversation_id=CONVERSATION, user_id="ana", agent="a")

    sealed = await border.seal(started)

    assert json.loads(sealed.data)["title"] is None
    assert (await border.open(sealed)).data == started


async def test_a_large_personal_text_is_a_sealed_blob(border: Border) -> None:
    sealed = await border.seal(chat(LARGE))

    reference = json.loads(sealed.data)["text"]
    blob = await border.blobs.get(reference["blob"])
    assert len(sealed.data) < 300
    assert CANARY.encode() not in blob
    assert (await border.open(sealed)).data == chat(LARGE)


async def test_a_large_plain_value_is_a_blob_of_its_json(border: Border) -> None:
    parameters = {"stop": [LARGE]}

    sealed = await border.seal(requested(parameters))

    reference = json.loads(sealed.data)["parameters"]
    assert json.loads(await border.blobs.get(reference["blob"])) == parameters
    assert (await border.open(sealed)).data.parameters == parameters


@pytest.mark.parametrize(
    "lookalike",
    [{"blob": "0" * 64}, {"blob": "no hash"}, {"blob": "Z" * 64}, {"sealed": "AAAA"}, {"blob": 1}],
)
async def test_a_value_that_looks_like_a_reference_comes_back(
    border: Border, lookalike: dict[str, Any]
) -> None:
    plain = await border.open(await border.seal(requested(lookalike)))
    action = UserAction(
        conversation_id=CONVERSATION, user_id="ana", agent="a", name="n", properties=lookalike
    )
    personal = await border.open(await border.seal(action))

    assert plain.data.parameters == lookalike
    assert personal.data == action


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (chat("a\0"), "text"),
        (chat("a\ud800"), "text"),
        (chat("a", user_id="ana\0"), "user_id"),
        (chat("a", user_id="ana\ud800"), "user_id"),
        (requested({"temperature": float("nan")}), "parameters"),
        (document(title="\0"), "title"),
    ],
)
async def test_what_cannot_be_stored_is_refused_by_field(
    border: Border, event: Event, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await border.seal(event)

    assert [error["field"] for error in refused.value.details["errors"]] == [field]


async def test_a_destroyed_key_opens_as_erased(border: Border) -> None:
    said = await border.seal(chat("hello"))
    at_length = await border.seal(chat(LARGE))
    did = await border.seal(
        UserAction(
            conversation_id=CONVERSATION, user_id="ana", agent="a", name="n", properties={"a": 1}
        )
    )
    of_another = await border.seal(chat("hi", user_id="bob"))

    await border.vault.destroy("demo", "user:ana")

    assert (await border.open(said)).data == chat(ERASED)
    assert (await border.open(said)).erased == ("text",)
    assert (await border.open(at_length)).data == chat(ERASED)
    assert (await border.open(did)).data.properties == {}
    assert (await border.open(did)).erased == ("properties",)
    assert (await border.open(of_another)).data == chat("hi", user_id="bob")
    assert (await border.open(of_another)).erased == ()


async def test_an_erased_subject_is_refused_for_ever(border: Border) -> None:
    await border.seal(chat())
    await border.vault.destroy("demo", "user:ana")

    with pytest.raises(Refused, match="erased"):
        await border.seal(chat())


async def test_one_document_is_erased_without_the_others(border: Border) -> None:
    other = UUID("01990000-0000-7000-8000-00000000000e")
    first = await border.seal(document())
    second = await border.seal(msgspec.structs.replace(document(), document_id=other))

    await border.vault.destroy("demo", f"document:{DOCUMENT}")

    assert (await border.open(first)).erased == ("title", "text")
    assert (await border.open(second)).data.text == document().text


async def test_a_value_moved_to_another_event_does_not_open(border: Border) -> None:
    stolen = json.loads((await border.seal(chat("yes"))).data)["text"]
    target = await border.seal(chat("no"), event_id=CONVERSATION)

    with pytest.raises(Corrupt) as found:
        await border.open(changed(target, text=stolen), position=12)

    assert found.value.details["position"] == 12
    assert "position 12" in found.value.message


async def test_a_value_moved_to_another_field_does_not_open(border: Border) -> None:
    sealed = await border.seal(document())
    title = json.loads(sealed.data)["title"]

    with pytest.raises(Corrupt):
        await border.open(changed(sealed, text=title))


class Whispered(UserChat, frozen=True, kw_only=True):
    stored_as = "user.whispered"


async def test_a_value_moved_to_another_type_does_not_open(border: Border) -> None:
    sealed = await border.seal(chat())
    copied = msgspec.structs.replace(sealed, type="user.whispered")

    with pytest.raises(Corrupt, match="moved"):
        await border.open(copied, catalog=Catalog((Whispered,)))


async def test_a_value_moved_to_another_subject_or_tenant_does_not_open(border: Border) -> None:
    sealed = await border.seal(chat())
    await border.seal(chat(user_id="bob"))
    await border.seal(chat(), Context(tenant="other", actor="user:ana"))

    with pytest.raises(Corrupt):
        await border.open(changed(sealed, user_id="bob"))
    with pytest.raises(Corrupt):
        await border.open(msgspec.structs.replace(sealed, tenant="other"))


@pytest.mark.parametrize(
    "text",
    ["in clear", {"sealed": "AAAA"}, {"sealed": "!"}, {"sealed": "x"}, {"blob": "0" * 64}, {}, 1],
)
async def test_a_personal_value_that_is_not_sealed_is_corrupt(border: Border, text: Any) -> None:
    sealed = await border.seal(chat())

    with pytest.raises(Corrupt):
        await border.open(changed(sealed, text=text))


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"text":null}', b"\xff", b"null"])
async def test_data_without_the_types_shape_is_corrupt(border: Border, data: bytes) -> None:
    sealed = await border.seal(chat())

    with pytest.raises(Corrupt, match="position 7"):
        await border.open(msgspec.structs.replace(sealed, data=data))


async def test_a_missing_blob_is_corrupt(border: Border) -> None:
    sealed = await border.seal(requested({"stop": [LARGE]}))

    with pytest.raises(Corrupt, match="position 7"):
        await border.open(changed(sealed, parameters={"blob": "0" * 64}))


@pytest.mark.parametrize("change", [{"type": "user.sang"}, {"schema_version": 2}])
async def test_what_this_program_is_too_old_for_names_its_position(
    border: Border, change: dict[str, Any]
) -> None:
    sealed = await border.seal(DocumentRemoved(document_id=DOCUMENT))

    with pytest.raises(UnknownEvent) as found:
        await border.open(msgspec.structs.replace(sealed, **change))

    assert found.value.details["position"] == 7


class SaidV1(Event, frozen=True, kw_only=True):
    stored_as = "user.said"
    user_id: UserId
    words: Annotated[str, Personal("user_id")]
    note: str


class Said(Event, frozen=True, kw_only=True):
    stored_as = "user.said"
    version = 2
    speaker: UserId
    text: Annotated[str, Personal("speaker")]
    loud: bool


SAID_V1 = OlderShape(
    upcast=lambda fields: {
        "speaker": fields["user_id"],
        "text": fields["words"],
        "loud": fields["note"] == "loud",
    },
    sealed_fields=(SealedField("words", "user_id", "user"),),
)


@pytest.mark.parametrize("words", ["hello", LARGE])
async def test_an_older_shape_opens_in_the_present_one(tmp_path: Path, words: str) -> None:
    border = Border(tmp_path)
    stored = await border.seal(SaidV1(user_id="ana", words=words, note="loud"))
    present = Catalog((Said,), {("user.said", 1): SAID_V1})

    opened = await border.open(stored, catalog=present)
    await border.vault.destroy("demo", "user:ana")
    erased = await border.open(stored, catalog=present)

    assert opened.data == Said(speaker="ana", text=words, loud=True)
    assert opened.schema_version == 1
    assert erased.data == Said(speaker="ana", text=ERASED, loud=True)
