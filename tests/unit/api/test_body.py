"""Bodies: every bad field named, nothing that a store cannot keep."""

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aigestion.api.body import BODY_BYTES_MAX, ERRORS_MAX, INTEGER_MAX, JSON_DEPTH_MAX, parse_body
from aigestion.api.v1.conversations import NewConversation
from aigestion.api.v1.interactions import ActionInteraction, Interaction
from aigestion.kernel.errors import InvalidInput


def errors_of(body: bytes | dict[str, Any], model: Any = Interaction) -> dict[str, str]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(InvalidInput) as refused:
        parse_body(model, content)
    return {error.field: error.message for error in refused.value.details["errors"]}


def chat(text: str) -> bytes:
    """`text` as raw JSON."""
    return (
        b'{"type":"user.chat","payload":{"text":' + text.encode("utf-8", "surrogateescape") + b"}}"
    )


def action(properties: str) -> bytes:
    payload = b'{"name":"click","properties":' + properties.encode() + b"}"
    return b'{"type":"user.action","payload":' + payload + b"}"


def test_every_bad_field_is_named_at_once() -> None:
    errors = errors_of({"type": "user.chat", "payload": {"text": 1, "more": 2}, "also": 3})

    assert set(errors) == {"payload.text", "payload.more", "also"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "type"),
        (b'{"type":"user.dance","payload":{}}', "type"),
        (b'{"type":1,"payload":{}}', "type"),
        (b'{"type":"user.chat"}', "payload"),
        (chat('""'), "payload.text"),
        (chat('"  \\n "'), "payload.text"),
        (chat("null"), "payload.text"),
        (chat('["a"]'), "payload.text"),
        (chat('"a\\u0000b"'), "payload.text"),
        (chat('"\\ud800"'), "payload.text"),
        (chat('"\\udc00 and on"'), "payload.text"),
        (chat('"\udcff"'), "payload.text"),
        (chat('"' + "x" * 200_001 + '"'), "payload.text"),
        (b'{"type":"user.voice","payload":{"transcript":"a","duration_seconds":NaN}}',
         "payload.duration_seconds"),
        (b'{"type":"user.voice","payload":{"transcript":"a","duration_seconds":1e999}}',
         "payload.duration_seconds"),
        (b'{"type":"user.voice","payload":{"transcript":"a","duration_seconds":-1}}',
         "payload.duration_seconds"),
        (b'{"type":"user.voice","payload":{"transcript":"a","duration_seconds":"9"}}',
         "payload.duration_seconds"),
        (b'{"type":"user.voice","payload":{"transcript":"a","language":"espa\xc3\xb1ol"}}',
         "payload.language"),
        (action('{"a":{"b":[0,"\\u0000"]}}'), "payload.properties.a.b.1"),
        (action('{"a":NaN}'), "payload.properties.a"),
        (action('{"a":-Infinity}'), "payload.properties.a"),
        (action('{"a":1e400}'), "payload.properties.a"),
        (action(f'{{"a":{INTEGER_MAX + 1}}}'), "payload.properties.a"),
        (action('{"a":{"\\ud800":1}}'), "payload.properties.a.\ufffd"),
        (action('{"a\\u0000":1}'), "payload.properties.a\0"),
        (action("[]"), "payload.properties"),
        (b'{"type":"user.action","payload":{"name":""}}', "payload.name"),
    ],
)  # fmt: skip
def test_a_bad_field_is_named(body: bytes, field: str) -> None:
    assert list(errors_of(body)) == [field]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nonsense", b"'a'", b'{"type":', b"\xff\xfe", b"[]", b"1", b'"text"', b"null"],
)
def test_what_is_no_object_is_refused_as_a_whole(body: bytes) -> None:
    assert set(errors_of(body)) <= {"", "type"}


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"type":"user.action","payload":{"a":['])
def test_deep_nesting_is_refused_quickly(opening: bytes) -> None:
    began = time.process_time()

    errors = errors_of(opening * 10_000)

    assert time.process_time() - began < 1
    assert "recursion" in next(iter(errors.values()))


def test_properties_may_be_nested_up_to_the_limit() -> None:
    def nested(levels: int) -> bytes:
        return action('{"a":' * (levels - 1) + "{}" + "}" * (levels - 1))

    fits = parse_body(Interaction, nested(JSON_DEPTH_MAX)).root
    assert isinstance(fits, ActionInteraction)
    assert "deeper" in next(iter(errors_of(nested(JSON_DEPTH_MAX + 1)).values()))


def test_a_huge_number_is_refused() -> None:
    assert len(errors_of(action('{"a":' + "9" * 10_000 + "}"))) == 1


def test_a_hundred_thousand_bad_fields_are_refused_quickly() -> None:
    body = json.dumps({f"f{number}": 1 for number in range(60_000)}).encode()
    assert len(body) < BODY_BYTES_MAX
    began = time.process_time()

    errors = errors_of(body, NewConversation)

    assert list(errors.values()) == [f"has 60000 errors; at most {ERRORS_MAX} are told"]
    assert time.process_time() - began < 2


def test_a_hundred_thousand_half_characters_are_refused_quickly() -> None:
    body = action("[" + ",".join(['"\\ud800"'] * 100_000) + "]")
    began = time.process_time()

    assert len(errors_of(body)) == ERRORS_MAX
    assert time.process_time() - began < 2


def test_odd_but_whole_text_is_kept_as_it_is() -> None:
    text = "ä€😀\u202e\r\n\t ￿ \x7f"

    parsed = parse_body(
        Interaction, json.dumps({"type": "user.chat", "payload": {"text": text}}).encode()
    )

    assert parsed.root.payload.text == text  # type: ignore[union-attr]


def test_what_was_given_is_not_repeated_in_the_error() -> None:
    errors = errors_of({"type": "secret-type", "payload": {"text": "secret-text"}})
    errors |= errors_of({"type": "user.chat", "payload": {"text": ["secret-text"]}})

    assert "secret" not in " ".join(errors.values())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3)
    ),
    max_leaves=8,
)
ALMOST = st.fixed_dictionaries(
    {"type": st.sampled_from(["user.chat", "user.voice", "user.action"]) | JSON},
    optional={
        "payload": JSON
        | st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(("text", "transcript", "language", "name", "properties"), JSON),
        )
    },
)


@given(ALMOST | JSON)
def test_whatever_json_comes_is_taken_whole_or_refused_in_words(value: Any) -> None:
    body = json.dumps(value).encode()

    try:
        parsed = parse_body(Interaction, body)
    except InvalidInput as refused:
        errors = refused.details["errors"]
        assert errors
        assert msgspec.json.decode(msgspec.json.encode(errors))
    else:
        msgspec.json.encode(parsed.root.what())


@given(st.binary(max_size=200))
def test_whatever_bytes_come_are_refused_in_words(body: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_body(Interaction, body)

    assert msgspec.json.encode(refused.value.details["errors"])
