"""The house rules of `deploy/compose`: confined, bounded, watched, no secret in sight.

No container runs here. That the file is a valid one is for `docker compose config` to say.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aigestion.bootstrap.models import missing_keys
from aigestion.settings import Settings, load_settings
from tests.deploy.conftest import DEPLOY

Compose = dict[str, Any]
WithModel = Callable[[str], Compose]
ENGINES = ("postgres", "nats", "elasticsearch", "clickhouse", "qdrant", "valkey")
ROLES = ("migrate", "api-a", "api-b", "relay", "project-a", "project-b", "agents")
PROVIDERS = ("openai", "anthropic", "gemini")
SECRET = re.compile(r"(?i)(password|secret|api_?key|token)")


@pytest.mark.parametrize("name", [*ENGINES, *ROLES])
def test_a_service_is_confined(compose: Compose, name: str) -> None:
    service = compose["services"][name]

    assert int(service["user"].split(":")[0]) > 0
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] or len(service["x-not-read-only"]) > 20


@pytest.mark.parametrize("name", [*ENGINES, *ROLES])
def test_a_service_is_bounded_and_watched(compose: Compose, name: str) -> None:
    service = compose["services"][name]

    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert service["logging"]["options"]["max-size"]
    assert service["stop_grace_period"]
    check = service["healthcheck"]
    if "x-no-healthcheck" in service:
        assert check == {"disable": True}
        assert service["restart"] == "no"
    else:
        assert check["test"][0] in ("CMD", "CMD-SHELL")
        assert service["restart"] == "unless-stopped"


def test_these_are_all_services(compose: Compose) -> None:
    assert sorted(compose["services"]) == sorted([*ENGINES, *ROLES])


@pytest.mark.parametrize("name", ["api", "relay", "project", "agents"])
def test_a_role_runs_twice(compose: Compose, name: str) -> None:
    services = [s for s in compose["services"].values() if s.get("command") == [name]]

    assert sum(s["deploy"].get("replicas", 1) for s in services) == 2


def test_only_the_api_can_be_reached_and_only_from_this_machine(compose: Compose) -> None:
    services = compose["services"]

    published = {name: s["ports"] for name, s in services.items() if "ports" in s}
    assert published == {"api-a": ["127.0.0.1:8080:8080"], "api-b": ["127.0.0.1:8081:8080"]}
    inside = {name for name, network in compose["networks"].items() if network.get("internal")}
    assert inside == {"log", "views"}
    for engine in ENGINES:
        assert set(services[engine]["networks"]) <= inside
        assert services[engine].get("network_mode") is None


def test_every_image_is_a_variable_that_names_no_moving_version(
    compose: Compose, variables: dict[str, str]
) -> None:
    text = (DEPLOY / "compose/compose.yaml").read_text()

    images = re.findall(r"^ +image: (.*)$", text, flags=re.MULTILINE)
    assert len(images) == len(ENGINES) + 1
    assert all(re.fullmatch(r"\$\{\w+_IMAGE:\?run setup\.sh\}", image) for image in images)
    for name in (name for name in variables if name.endswith("_IMAGE")):
        tag = variables[name].partition("@")[0].partition(":")[2]
        assert tag not in ("", "latest"), name


def test_no_secret_stands_in_the_files(compose: Compose, with_model: WithModel) -> None:
    services = [*compose["services"].values(), *with_model("openai")["services"].values()]
    for name, value in (pair for s in services for pair in s.get("environment", {}).items()):
        if SECRET.search(name):
            assert re.search(r"_(FILE|DIR)$", name), name
            assert value.startswith("/run/secrets"), name
        assert "@" not in str(value), name
    template = (DEPLOY / "compose/env.example").read_text()
    assert not [
        line
        for line in template.splitlines()
        if re.match(r"(?i)\w*_(key|password|secret|token)=", line)
    ]


def test_a_service_gets_the_secrets_it_uses_and_all_of_them_are_used(compose: Compose) -> None:
    services = compose["services"]
    got = {name: {_source(s) for s in service["secrets"]} for name, service in services.items()}

    assert set().union(*got.values()) == set(compose["secrets"])
    having = {
        secret: {name for name in got if secret in got[name]} for secret in compose["secrets"]
    }
    assert having["postgres_owner_url"] == {"migrate"}
    assert having["postgres_superuser_password"] == {"postgres"}
    assert having["nats_relay_url"] == {"relay"}
    assert having["checkpoint_key"] == {"relay"}
    assert having["operator_key"] == {"api-a", "api-b"}
    assert having["master_key"] == set(ROLES) - {"migrate"}


def test_every_mounted_file_is_there(compose: Compose, installed: Path) -> None:
    for kind in ("configs", "secrets"):
        for name, told in compose[kind].items():
            assert (installed / told["file"]).is_file(), name
    for service in compose["services"].values():
        for kind in ("configs", "secrets"):
            assert {_source(one) for one in service.get(kind, [])} <= set(compose[kind])
        for mount in service.get("volumes", []):
            assert (installed / mount["source"]).is_dir(), mount


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_keeps_its_data_in_a_folder_of_its_own(compose: Compose, engine: str) -> None:
    (mount,) = compose["services"][engine]["volumes"]

    assert mount["source"] == f"./state/data/{engine}"
    assert mount["bind"] == {"create_host_path": False}  # A missing folder is no empty log.


@pytest.mark.parametrize("name", [*ROLES, *(f"agents with {provider}" for provider in PROVIDERS)])
def test_the_settings_of_a_role_are_good(
    compose: Compose,
    with_model: WithModel,
    installed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """All are known, and what `setup.sh` made of them is accepted."""
    role, _, provider = name.partition(" with ")
    service = compose["services"][role]
    environment, secrets = dict(service["environment"]), list(service["secrets"])
    files = {secret: installed / told["file"] for secret, told in compose["secrets"].items()}
    if provider:
        asking = with_model(provider)["services"]["agents"]
        environment |= asking["environment"]
        secrets += asking["secrets"]
        files["model_api_key"] = tmp_path / "key"
        files["model_api_key"].write_text("a key")
    mounted = tmp_path / "secrets"
    mounted.mkdir()
    for secret in secrets:
        target = secret if isinstance(secret, str) else secret["target"]
        (mounted / target).write_bytes(files[_source(secret)].read_bytes())
    for variable, value in environment.items():
        monkeypatch.setenv(variable, str(value).replace("/run/secrets", str(mounted)))

    settings = load_settings()

    told = {path.name for path in mounted.iterdir() if path.name.startswith("aigestion_")}
    assert {secret for secret in told if not _value(settings, secret)} == set()
    assert missing_keys(settings) == []
    assert name == "migrate" or _value(settings, "aigestion_log__master_key_file").is_file()


def _value(settings: Settings, variable: str) -> Any:
    value: Any = settings
    for part in variable.removeprefix("aigestion_").split("__"):
        value = getattr(value, part)
    return value


def _source(one: str | dict[str, str]) -> str:
    return one if isinstance(one, str) else one["source"]
