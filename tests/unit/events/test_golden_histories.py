"""Logs as they were stored once open in every build, and fold to what they folded to then."""

from pathlib import Path

import msgspec
import pytest

from aigestion.events.catalog import EVENTS
from aigestion.eventstore.references import may_hold_blobs
from aigestion.kernel.errors import Corrupt
from aigestion.projections.catalog import PROJECTIONS
from tests.support.golden import ERASED, Recording, fingerprints, recordings

SHAPES = {(event.stored_as, version) for event in EVENTS for version in range(1, event.version + 1)}


@pytest.fixture(params=recordings(), ids=lambda recording: recording.directory.name)
def recording(request: pytest.FixtureRequest) -> Recording:
    return request.param


async def test_a_stored_log_folds_to_what_it_did(recording: Recording, tmp_path: Path) -> None:
    events = await recording.opened(tmp_path)

    kept, made = recording.folds(), fingerprints(events)
    both = kept.keys() & made.keys()  # a read model of another version makes other rows

    assert {name: made[name] for name in both} == {name: kept[name] for name in both}


def test_every_read_model_is_in_a_recording() -> None:
    kept = {name for recording in recordings() for name in recording.folds()}

    assert {f"{one.name}.v{one.version}" for one in PROJECTIONS} <= kept


async def test_a_stored_log_opens_as_it_was_written(recording: Recording, tmp_path: Path) -> None:
    stored = recording.stored()
    events = await recording.opened(tmp_path)

    assert [one.position for one in events] == list(range(1, len(stored) + 1))
    assert [one.id for one in events] == [one.event.id for one in stored]
    erased = [one for one in events if one.erased]
    assert erased
    assert {(one.tenant, f"user:{one.data.user_id}") for one in erased} == {ERASED}
    large = [one for one in stored if may_hold_blobs(one.event.data)]
    assert large, "nothing is in the blob store"


def test_every_shape_that_was_ever_stored_is_in_a_recording() -> None:
    recorded = {
        (one.event.type, one.event.schema_version)
        for recording in recordings()
        for one in recording.stored()
    }

    assert recorded == SHAPES


async def test_a_fold_tells_one_changed_event(recording: Recording, tmp_path: Path) -> None:
    events = await recording.opened(tmp_path)
    n, said = next((n, one) for n, one in enumerate(events) if one.type == "user.chat")
    events[n] = msgspec.structs.replace(
        said, data=msgspec.structs.replace(said.data, text="something else")
    )

    kept = recording.folds()
    differing = {name for name, made in fingerprints(events).items() if made != kept.get(name)}

    assert {name.partition(".")[0] for name in differing} == {"conversations", "search", "activity"}


async def test_a_program_that_seals_for_other_places_does_not_open_it(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aigestion.eventstore.codec._named", lambda stored_as, field: b"elsewhere")

    with pytest.raises(Corrupt):
        await recording.opened(tmp_path)
