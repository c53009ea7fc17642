"""What breaks subscribers of a published shape is red, and what does not is not."""

from pathlib import Path
from typing import Annotated, Any, ClassVar

import jsonschema
import msgspec
import pytest
from click.testing import CliRunner, Result

from aigestion.events.catalog import EVENTS
from aigestion.events.event import Event, Tag
from aigestion.messaging.example import example_headers, example_of
from aigestion.reference import __main__ as reference
from aigestion.reference.released import ENVELOPE, breaks, broken, inlined, shapes, text


class Passage(msgspec.Struct, frozen=True):
    number: int
    title: str = ""


class Released(Event, frozen=True, kw_only=True):
    """A shape that subscribers know."""

    stored_as: ClassVar[str] = "thing.happened"
    thing_id: Annotated[str, Tag("thing")]
    title: str
    passages: tuple[Passage, ...] = ()
    by_name: dict[str, Passage] = msgspec.field(default_factory=dict)
    first: Passage | None = None


def changed(name: str = "thing.happened", **fields: Any) -> dict[str, dict[str, Any]]:
    """The shape with other fields; `...` takes one away."""
    kept = {
        "thing_id": str,
        "title": str,
        "passages": (tuple[Passage, ...], ()),
        "by_name": (dict[str, Passage], {}),
        "first": (Passage | None, None),
    }
    types = {field: what for field, what in {**kept, **fields}.items() if what is not ...}
    listed = [
        (field, *what) if isinstance(what, tuple) else (field, what)
        for field, what in types.items()
    ]
    made = msgspec.defstruct("Released", listed, kw_only=True)
    return {f"{name}.v1.json": inlined(made)}


class Renamed(msgspec.Struct, frozen=True):
    number: int
    heading: str = ""


class Retyped(msgspec.Struct, frozen=True):
    number: str
    title: str = ""


class Wider(msgspec.Struct, frozen=True):
    number: int
    title: str = ""
    page: int = 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, schema in shapes([Released]).items():
        (tmp_path / name).write_text(text(schema))
    return tmp_path


def verdict(folder: Path, present: dict[str, dict[str, Any]]) -> list[str]:
    return broken(folder, {ENVELOPE: shapes([])[ENVELOPE], **present})


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"title": ...}, "title was removed"),
        ({"title": int}, 'title was {"type":"string"} and is {"type":"integer"}'),
        ({"title": str | None}, 'title was {"type":"string"} and is {"anyOf"'),
        ({"colour": str}, "colour is required now"),
        ({"first": (Renamed | None, None)}, "first.title was removed"),
        ({"first": (Passage, Passage(1))}, "first was "),
        ({"passages": (tuple[Retyped, ...], ())}, "passages[].number was "),
        ({"passages": (Passage | None, None)}, "passages was "),
        ({"by_name": (dict[str, Renamed], {})}, "by_name[].title was removed"),
    ],
)
def test_a_breaking_change_is_named(folder: Path, fields: dict[str, Any], says: str) -> None:
    (said,) = verdict(folder, changed(**fields))

    assert said.startswith(f"thing.happened.v1: {says}")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"colour": (str, "red")},
        {"title": (str, "")},
        {"passages": (tuple[Wider, ...], ())},
        {"by_name": (dict[str, Wider], {})},
    ],
)
def test_what_is_new_and_may_be_missing_breaks_nobody(folder: Path, fields: dict[str, Any]) -> None:
    assert verdict(folder, changed(**fields)) == []


def test_a_type_of_another_name_breaks_and_a_further_one_does_not(folder: Path) -> None:
    renamed, as_it_was = changed("thing.occurred"), changed()

    assert verdict(folder, renamed) == ["thing.happened is no longer published under this name"]
    assert verdict(folder, {**as_it_was, **renamed}) == []


def test_a_newer_version_is_a_shape_of_its_own_and_an_older_one_breaks(folder: Path) -> None:
    (schema,) = changed(title=...).values()
    assert verdict(folder, {"thing.happened.v2.json": schema}) == []

    (folder / "thing.happened.v2.json").write_text(text(schema))
    assert verdict(folder, changed()) == ["thing.happened was published in version 2 and is in 1"]


def test_a_header_that_is_gone_breaks(folder: Path) -> None:
    envelope = msgspec.json.decode((folder / ENVELOPE).read_bytes())
    del envelope["properties"]["ce-position"]

    assert broken(folder, {ENVELOPE: envelope, **changed()}) == [
        "envelope.v1: ce-position was removed"
    ]


def test_words_may_change() -> None:
    assert breaks({"type": "string", "description": "a"}, {"type": "string", "title": "b"}) == []


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.stored_as)
def test_an_example_fits_its_file(event: type[Event]) -> None:
    files = shapes(EVENTS)
    payload = msgspec.json.decode(msgspec.json.encode(example_of(event)))

    jsonschema.validate(payload, files[f"{event.stored_as}.v{event.version}.json"])
    jsonschema.validate(example_headers(event), files[ENVELOPE])


def run(root: Path, mode: str) -> Result:
    return CliRunner().invoke(reference.main, [mode, "--root", str(root)])


def test_the_check_is_red_for_a_break_and_writing_does_not_hide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "FOLDERS", {})
    monkeypatch.setattr(reference, "EVENTS", [Released])
    assert run(tmp_path, "--check").exit_code == 1  # it was not published yet
    assert run(tmp_path, "--write").exit_code == 0
    assert run(tmp_path, "--check").exit_code == 0
    file = tmp_path / reference.SCHEMAS / "thing.happened.v1.json"
    released = file.read_text().replace('"title": "Passage"', '"title": "Excerpt"', 1)
    assert released != file.read_text()

    file.write_text(released.replace('"number"', '"ordinal"'))
    for mode in ("--check", "--write"):
        refused = run(tmp_path, mode)
        assert refused.exit_code == 1
        assert "thing.happened.v1: passages[].ordinal was removed" in refused.output
        assert "raise the event's version" in refused.output
    file.write_text(released)
    assert run(tmp_path, "--check").exit_code == 1  # the words differ, which writing mends
    assert run(tmp_path, "--write").exit_code == 0
    assert run(tmp_path, "--check").exit_code == 0
