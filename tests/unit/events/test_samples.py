"""Every shape ever stored keeps a sample, and the present shapes are the newest samples' shapes."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aigestion.events.catalog import EVENTS, Catalog
from aigestion.events.event import Event

SAMPLES = Path(__file__).parents[2] / "samples"
CATALOG = Catalog()
VERSIONS = [(event, version) for event in EVENTS for version in range(1, event.version + 1)]


def sample(event: type[Event], version: int) -> Any:
    return json.loads((SAMPLES / f"{event.stored_as}.v{version}.json").read_text())


def shape_faults(event: type[Event], fields: dict[str, Any]) -> list[str]:
    """Why this class, in its present version, is not the one that wrote these fields."""
    try:
        decoded = msgspec.json.decode(json.dumps(fields), type=event)
    except msgspec.ValidationError as error:
        return [f"the sample does not decode: {error}"]
    written = json.loads(msgspec.json.encode(decoded))
    return [
        f"{name}: the sample has {fields.get(name)!r}, today {written.get(name)!r} is written"
        for name in sorted(fields.keys() | written.keys())
        if name not in fields or name not in written or fields[name] != written[name]
    ]


@pytest.mark.parametrize(
    ("event", "version"), VERSIONS, ids=lambda one: getattr(one, "stored_as", one)
)
def test_a_sample_of_every_shape_decodes(event: type[Event], version: int) -> None:
    fields = CATALOG.upcast(event.stored_as, version, sample(event, version))

    assert shape_faults(event, fields) == []


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.stored_as)
def test_a_changed_shape_has_a_new_version(event: type[Event]) -> None:
    newest = sample(event, event.version)

    assert shape_faults(event, newest) == []
    assert [name for name, value in newest.items() if value is None] == [], "a null shows no type"


def test_there_is_no_sample_of_what_the_catalog_does_not_know() -> None:
    known = {f"{event.stored_as}.v{version}.json" for event, version in VERSIONS}

    assert {path.name for path in SAMPLES.glob("*.json")} == known


def test_stored_names_are_unique() -> None:
    assert len(CATALOG.events) == len(EVENTS)


class Moved(Event, frozen=True, kw_only=True):
    stored_as = "thing.moved"
    to: str
    speed: int = 0


@pytest.mark.parametrize(
    "fields", [{"to": "A"}, {"to": "A", "speed": 1, "by": "ana"}, {"to": "A", "speed": 1.5}]
)
def test_the_check_finds_added_removed_and_retyped_fields(fields: dict[str, Any]) -> None:
    assert len(shape_faults(Moved, fields)) == 1
