"""The catalog: finds classes by stored name, and leads older shapes up to the present one."""

import pytest

from aigestion.events.catalog import Catalog, OlderShape
from aigestion.events.event import Event
from aigestion.events.sealed_field import SealedField
from aigestion.kernel.errors import UnknownEvent


class Moved(Event, frozen=True, kw_only=True):
    stored_as = "thing.moved"
    version = 3
    to: str
    speed: float


FROM_1 = OlderShape(
    upcast=lambda fields: {"to": fields["destination"]},
    sealed_fields=(SealedField("destination", "user_id", "user"),),
)
FROM_2 = OlderShape(upcast=lambda fields: {**fields, "speed": 0.0}, sealed_fields=())
CATALOG = Catalog((Moved,), {("thing.moved", 1): FROM_1, ("thing.moved", 2): FROM_2})


def test_an_older_shape_is_upcast_step_by_step() -> None:
    assert CATALOG.upcast("thing.moved", 1, {"destination": "A"}) == {"to": "A", "speed": 0.0}


def test_the_present_shape_stays_as_it_is() -> None:
    assert CATALOG.upcast("thing.moved", 3, {"to": "A", "speed": 1.0}) == {"to": "A", "speed": 1.0}


def test_what_was_sealed_is_known_by_version() -> None:
    assert CATALOG.sealed_fields("thing.moved", 1) == FROM_1.sealed_fields
    assert CATALOG.sealed_fields("thing.moved", 3) == ()


def test_a_missing_step_is_an_unknown_event() -> None:
    catalog = Catalog((Moved,), {("thing.moved", 2): FROM_2})

    with pytest.raises(UnknownEvent, match=r"no upcaster for thing\.moved from version 1"):
        catalog.upcast("thing.moved", 1, {"destination": "A"})


@pytest.mark.parametrize(("stored_as", "version"), [("thing.moved", 4), ("thing.lost", 1)])
def test_a_newer_version_or_type_is_an_unknown_event(stored_as: str, version: int) -> None:
    with pytest.raises(UnknownEvent):
        CATALOG.event_class(stored_as, version)


def test_a_key_of_before_there_were_scopes_may_do_all_but_administer() -> None:
    fields = Catalog().upcast("key.issued", 1, {"key_id": "k1", "secret_hash": "0", "name": "a"})

    assert fields["scopes"] == ["read", "write", "events"]
    assert fields["expires_at"] is None
