"""Whatever an event of the catalog holds: it opens equal, and what is personal does not show."""

import asyncio
import typing
from datetime import UTC
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aigestion.events.catalog import EVENTS
from aigestion.events.event import ERASED, Event
from aigestion.events.sealed_field import sealed_fields_of
from tests.unit.eventstore.log_border import Border

MARK = "xylophonquartz"
"""In every personal text, so that it can be looked for."""

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
numbers = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
moments = st.datetimes(timezones=st.just(UTC))


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Everything a field of this type may hold."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is dict:
        return st.dictionaries(texts, json_values, max_size=4)
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if arguments:  # a union
        return st.one_of([values(one) for one in arguments])
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return st.builds(hint, **{f.name: values(f.type) for f in msgspec.structs.fields(hint)})
    simple: dict[Any, st.SearchStrategy[Any]] = {
        str: texts,
        int: st.integers(-(2**63), 2**63 - 1),
        float: numbers,
        bool: st.booleans(),
        UUID: st.uuids(),
        type(None): st.none(),
    }
    return simple.get(hint, moments)


def examples_of(event: type[Event]) -> st.SearchStrategy[Event]:
    hints = typing.get_type_hints(event)
    fields = {f.name: values(hints[f.name]) for f in msgspec.structs.fields(event)}
    for sealed in sealed_fields_of(event):
        if sealed.holds == "text":
            fields[sealed.name] = texts.map(lambda text: text + MARK)
        else:
            fields[sealed.name] = texts.map(lambda text: {MARK: [text, MARK]})
    return st.builds(event, **fields)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("border")


@pytest.mark.parametrize("event_class", EVENTS, ids=lambda event: event.stored_as)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_event_comes_back_equal_and_can_be_erased(
    directory: Path, event_class: type[Event], data: st.DataObject
) -> None:
    event = data.draw(examples_of(event_class))
    asyncio.run(_round_trip(event, Border(directory)))


async def _round_trip(event: Event, border: Border) -> None:
    personal = sealed_fields_of(type(event))

    sealed = await border.seal(event)
    opened = await border.open(sealed)

    assert opened.data == event
    assert MARK.encode() not in sealed.data

    for field in personal:
        whose = f"{field.subject_kind}:{getattr(event, field.subject_field)}"
        await border.vault.destroy("demo", whose)
    erased = await border.open(sealed)

    assert erased.erased == tuple(field.name for field in personal)
    for field in personal:
        assert getattr(erased.data, field.name) == field.erased
        assert field.erased in (ERASED, {}, [])
