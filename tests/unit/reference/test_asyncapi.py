"""The AsyncAPI document: whole, valid, and true to what the relay publishes."""

from typing import Any

import jsonschema
import msgspec
import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema

from aigestion.events.catalog import EVENTS
from aigestion.events.event import Event
from aigestion.messaging.asyncapi import document, document_json
from aigestion.messaging.example import example_headers, example_of

DOCUMENT = document()


def schema_of(part: dict[str, Any]) -> dict[str, Any]:
    """A part of the document as a schema of its own, with what it refers to."""
    return {**part, "components": DOCUMENT["components"]}


def validator(part: dict[str, Any]) -> jsonschema.Draft202012Validator:
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(schema_of(part), format_checker=checker)


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        here = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return here + [one for value in node.values() for one in references(value)]
    if isinstance(node, list):
        return [one for value in node for one in references(value)]
    return []


def resolved(reference: str) -> Any:
    node: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


def test_every_type_has_a_channel_a_message_and_an_operation() -> None:
    names = {event.stored_as for event in EVENTS}

    assert set(DOCUMENT["channels"]) == names
    assert set(DOCUMENT["components"]["messages"]) == names | {"fetched"}
    assert {one["channel"]["$ref"] for one in DOCUMENT["operations"].values()} == {
        f"#/channels/{name}" for name in names
    }


def test_every_reference_leads_somewhere() -> None:
    found = references(DOCUMENT)

    assert len(found) > 4 * len(EVENTS)
    for reference in found:
        assert resolved(reference)


def test_it_has_the_structure_of_asyncapi_3() -> None:
    nats = {
        **DOCUMENT["servers"]["nats"],
        "pathname": "",
    }  # optional in AsyncAPI, not in this model
    parsed = ApplicationSchema.model_validate({**DOCUMENT, "servers": {"nats": nats}})

    assert set(parsed.channels) == set(DOCUMENT["channels"])


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.stored_as)
def test_a_message_of_the_relay_fits_its_schemas(event: type[Event]) -> None:
    message = DOCUMENT["components"]["messages"][event.stored_as]
    payload = msgspec.json.decode(msgspec.json.encode(example_of(event)))

    validator(message["payload"]).validate(payload)
    validator(message["headers"]).validate(example_headers(event))
    assert message["examples"] == [{"headers": example_headers(event), "payload": payload}]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.stored_as)
def test_the_schemas_refuse_what_is_no_such_event(event: type[Event]) -> None:
    message = DOCUMENT["components"]["messages"][event.stored_as]
    headers = {**example_headers(event), "ce-type": "something.else"}

    assert not validator(message["payload"]).is_valid({})
    assert not validator(message["headers"]).is_valid(headers)
    del headers["ce-position"]
    assert not validator(message["headers"]).is_valid({**headers, "ce-type": event.stored_as})


def test_every_header_the_relay_writes_is_described() -> None:
    described = DOCUMENT["components"]["schemas"]["Envelope"]["properties"]

    for event in EVENTS:
        assert set(example_headers(event)) <= set(described)


def test_an_event_to_fetch_has_an_empty_payload_and_says_where() -> None:
    fetched = DOCUMENT["components"]["messages"]["fetched"]
    headers = example_headers(EVENTS[0])

    assert validator(fetched["payload"]).is_valid({})
    assert not validator(fetched["headers"]).is_valid(headers)
    assert validator(fetched["headers"]).is_valid({**headers, "ce-dataref": "/v1/events?after=1"})


def test_personal_fields_are_marked_and_fields_described() -> None:
    reply = DOCUMENT["components"]["schemas"]["AgentReplied"]["properties"]

    assert reply["text"]["x-personal"] == "user_id"
    assert reply["in_reply_to"]["description"] == "Id of the message that it replies to."


def test_it_is_the_same_each_time() -> None:
    assert document_json() == document_json()
    assert msgspec.json.decode(document_json()) == document()
