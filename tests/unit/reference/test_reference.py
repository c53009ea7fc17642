"""The reference pages: complete, and drift from the code is found."""

from pathlib import Path

import msgspec
from click.testing import CliRunner, Result

from aigestion.commands.catalog import USE_CASES
from aigestion.events.catalog import EVENTS
from aigestion.kernel import errors
from aigestion.projections.catalog import PROJECTIONS
from aigestion.reference.__main__ import FOLDERS, SCHEMAS, main
from aigestion.reference.catalogs import commands_page, events_page, projections_page
from aigestion.reference.http import http_page, openapi_json
from aigestion.reference.markdown import table
from aigestion.reference.program import cli_page, errors_page, settings_page
from aigestion.settings import Settings

FILES = sorted(folder / name for folder, files in FOLDERS.items() for name in files)


def reference(root: Path, mode: str) -> Result:
    return CliRunner().invoke(main, [mode, "--root", str(root)])


def files(root: Path) -> list[Path]:
    """All but the published shapes, of which a write keeps the older ones."""
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(path for path in found if SCHEMAS not in path.parents)


def test_what_was_written_has_not_drifted(tmp_path: Path) -> None:
    written = reference(tmp_path, "--write")
    checked = reference(tmp_path, "--check")

    assert (written.exit_code, checked.exit_code) == (0, 0)
    assert checked.output == ""
    assert files(tmp_path) == FILES
    assert (tmp_path / SCHEMAS / "user.chat.v1.json").is_file()


def test_drift_of_every_page_is_named_and_mended(tmp_path: Path) -> None:
    reference(tmp_path, "--write")
    pages = [tmp_path / file for file in FILES]
    for page in pages:
        page.write_text(page.read_text() + "x")

    drifted = reference(tmp_path, "--check")
    reference(tmp_path, "--write")

    assert drifted.exit_code == 1
    assert [page for page in pages if f"{page}: differs from the code" not in drifted.output] == []
    assert reference(tmp_path, "--check").exit_code == 0


def test_a_missing_and_a_strange_page_are_drift(tmp_path: Path) -> None:
    reference(tmp_path, "--write")
    folder = tmp_path / "docs/reference"
    (folder / "events.md").unlink()
    (folder / "old.md").write_text("gone from the catalogs")

    drifted = reference(tmp_path, "--check")
    reference(tmp_path, "--write")

    assert drifted.exit_code == 1
    assert "events.md" in drifted.output
    assert "old.md" in drifted.output
    assert files(tmp_path) == FILES


def test_neither_check_nor_write_is_a_wrong_call(tmp_path: Path) -> None:
    assert CliRunner().invoke(main, ["--root", str(tmp_path)]).exit_code == 2


def test_every_event_and_what_is_sealed_is_on_the_page() -> None:
    page = events_page()

    for event in EVENTS:
        assert f"\n## {event.stored_as}\n" in page
    assert "sealed with the key of `user_id`" in page
    assert "sealed with the key of `document_id`" in page
    assert "tag `conversation:…`" in page


def test_every_command_names_the_events_it_leads_to() -> None:
    page = commands_page()

    for use_case in USE_CASES:
        assert f"\n## {use_case.command.__name__}\n" in page
    assert "Leads to [model.completed](events.md#modelcompleted), [agent.replied]" in page


def test_every_projection_is_on_the_page() -> None:
    page = projections_page()

    for projection in PROJECTIONS:
        assert f"\n| `{projection.name}` | {projection.version} | {projection.store} |" in page


def test_every_setting_has_its_variable_and_a_secret_no_default() -> None:
    page = settings_page()

    assert len(Settings.model_fields) > 3
    assert "| `http.port` | `AIGESTION_HTTP__PORT` | integer | `8080` |" in page
    assert "| `openai.api_key` | `AIGESTION_OPENAI__API_KEY` | secret or null |  |" in page


def test_every_error_of_the_tree_has_its_status() -> None:
    page = errors_page()

    tree = [
        one
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, errors.AIGestionError)
    ]
    assert len(tree) > 15
    for error in tree:
        assert f"| `{error.code}` |" in page
    assert "| `view-behind` | 503 |" in page
    for code, status in (
        ("too-slow", 408),
        ("unsupported-media-type", 415),
        ("head-too-large", 431),
    ):
        assert f"| `{code}` | {status} |" in page


def test_every_command_of_the_program_has_its_help_with_an_example() -> None:
    page = cli_page()

    for path in ("up", "ask", "chat", "events", "replay", "audit verify", "doctor", "settings"):
        assert f"\n## aigestion {path}\n" in page
    assert page.count("Example:") == page.count("\n## ")


def test_a_bar_in_a_cell_does_not_break_a_table() -> None:
    assert table(["a"], [["x | y\nz"]]).splitlines()[-1] == "| x \\| y z |"


def test_every_route_has_its_parameters_bodies_and_answers() -> None:
    page = http_page()

    assert "| `POST /v1/conversations/{conversation_id}/interactions` |" in page
    assert "\n## GET /v1/conversations/{conversation_id}/stream\n" in page
    assert (
        "Body: `ChatInteraction or VoiceInteraction or ActionInteraction` as `application/json`."
        in page
    )
    assert "| `Idempotency-Key` | header |" in page
    assert "| `201` | `Started` as `application/json` |" in page
    assert "Request fulfilled" not in page


def test_the_openapi_document_is_the_same_each_time() -> None:
    assert openapi_json() == openapi_json()
    assert msgspec.json.decode(openapi_json())["openapi"].startswith("3.1")
