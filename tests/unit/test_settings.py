"""Settings: from the environment, a file or secret files; every fault at once; no secret shown."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from aigestion.cli.app import aigestion
from aigestion.kernel.errors import Misconfigured
from aigestion.settings import load_settings

POSTGRES = "postgresql://app:s3cret@db.example:5432/log"


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("AIGESTION_")]:
        monkeypatch.delenv(name)


def test_a_url_keeps_its_password_and_does_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIGESTION_POSTGRES_URL", POSTGRES)

    url = load_settings().postgres_url

    assert url is not None
    assert url.get_secret_value() == POSTGRES
    assert str(url) == "postgresql://app:**********@db.example:5432/log"
    assert "s3cret" not in repr(url)


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_the_command_shows_no_secret(monkeypatch: pytest.MonkeyPatch, as_json: list[str]) -> None:
    monkeypatch.setenv("AIGESTION_POSTGRES_URL", POSTGRES)
    monkeypatch.setenv("AIGESTION_OPERATOR_KEY", "k" * 40)
    monkeypatch.setenv("AIGESTION_QDRANT__API_KEY", "qdr4nt")

    shown = CliRunner().invoke(aigestion, ["settings", *as_json]).output

    assert "**********" in shown
    for secret in ("s3cret", "k" * 40, "qdr4nt"):
        assert secret not in shown


def test_secret_files_count_like_variables_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "aigestion_postgres_url").write_text(f"{POSTGRES}\n")
    (tmp_path / "aigestion_qdrant__api_key").write_text("of the file")
    (tmp_path / "aigestion_operator_key").write_text("f" * 40)
    (tmp_path / "another_programs_secret").write_text("x")
    monkeypatch.setenv("AIGESTION_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("AIGESTION_OPERATOR_KEY", "e" * 40)

    settings = load_settings()

    assert settings.postgres_url is not None
    assert settings.postgres_url.get_secret_value() == POSTGRES
    assert settings.qdrant.api_key is not None
    assert settings.qdrant.api_key.get_secret_value() == "of the file"
    assert settings.operator_key is not None
    assert settings.operator_key.get_secret_value() == "e" * 40


def test_every_fault_is_listed_at_once_without_what_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIGESTION_POSTGRES_URL", "mysql://app:s3cret@db/log")
    monkeypatch.setenv("AIGESTION_NATS_URL", "broker:4222")
    monkeypatch.setenv("AIGESTION_LOG__NAME", "Not A Name")
    monkeypatch.setenv("AIGESTION_HTTP__PORT", "70000")
    monkeypatch.setenv("AIGESTION_NO_SUCH", "1")

    with pytest.raises(Misconfigured) as caught:
        load_settings()

    faults = caught.value.details["errors"]
    assert [fault.split(":")[0] for fault in sorted(faults)] == [
        "AIGESTION_NO_SUCH",
        "http.port",
        "log.name",
        "nats_url",
        "postgres_url",
    ]
    assert any("postgresql://" in fault for fault in faults)
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize("variable", ["AIGESTION_SETTINGS_FILE", "AIGESTION_SECRETS_DIR"])
def test_a_place_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "nowhere"))

    with pytest.raises(Misconfigured, match=variable):
        load_settings()


def test_a_file_sets_groups(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f'postgres_url = "{POSTGRES}"\n[log]\nname = "second"\n')
    monkeypatch.setenv("AIGESTION_SETTINGS_FILE", str(file))

    settings = load_settings()

    assert settings.log.name == "second"
    assert settings.postgres_url is not None


VENDORS_NAMES = [
    ("openai", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
    ("anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
    ("gemini", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL"),
]


@pytest.mark.parametrize(("group", "key", "url"), VENDORS_NAMES)
def test_a_vendors_own_names_count_where_ours_say_nothing(
    monkeypatch: pytest.MonkeyPatch, group: str, key: str, url: str
) -> None:
    monkeypatch.setenv(key, "sk-of-the-vendor")
    monkeypatch.delenv(url, raising=False)

    unnamed = getattr(load_settings(), group)
    elsewhere = getattr(load_settings(**{group: {"base_url": "http://10.0.0.1"}}), group)

    assert unnamed.api_key.get_secret_value() == "sk-of-the-vendor"
    assert elsewhere.api_key is None, "a key meant for one server is not sent to another"


@pytest.mark.parametrize(("group", "key", "url"), VENDORS_NAMES)
def test_a_vendors_own_url_must_be_one(
    monkeypatch: pytest.MonkeyPatch, group: str, key: str, url: str
) -> None:
    monkeypatch.setenv(url, "gateway.example")

    with pytest.raises(Misconfigured, match=url):
        load_settings()


def test_where_commands_ask_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIGESTION_URL", "https://aigestion.example")
    monkeypatch.setenv("AIGESTION_KEY", "aig_key")

    load_settings()
