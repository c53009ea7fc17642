"""`setup.sh` makes what a production set needs, once, and never puts anything in its place."""

import os
import ssl
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from aigestion.eventstore.master_key import FileMasterKey
from tests.deploy.conftest import copy_of_compose, set_up


def test_what_it_makes_only_its_owner_can_read(installed: Path) -> None:
    made = [installed / "state", *(installed / "state").rglob("*")]

    assert len(made) > 30
    assert [path for path in made if path.stat().st_mode & 0o077] == []


def test_a_second_run_changes_nothing(installed: Path) -> None:
    before = _contents(installed)

    again = set_up(installed)

    assert again.returncode == 0
    assert "made" not in again.stdout
    assert _contents(installed) == before


def test_two_installations_share_no_secret(installed: Path, tmp_path: Path) -> None:
    other = copy_of_compose(tmp_path)
    set_up(other)

    for file in [
        *(installed / "state/passwords").iterdir(),
        installed / "state/secrets/master_key",
    ]:
        secret = file.read_bytes()
        assert len(secret) >= 32
        assert secret != (other / file.relative_to(installed)).read_bytes()


def test_a_lost_file_is_made_again_from_what_is_there(installed: Path, tmp_path: Path) -> None:
    folder = copy_of_compose(tmp_path)
    set_up(folder)
    before = _contents(folder)
    for name in ("state/secrets/nats_passwords.conf", "state/secrets/clickhouse_users.xml"):
        (folder / name).unlink()

    assert set_up(folder).returncode == 0

    assert _contents(folder) == before


@pytest.mark.parametrize("lost", ["secrets/master_key", "passwords/postgres_owner"])
def test_a_secret_that_data_depends_on_is_not_made_up(tmp_path: Path, lost: str) -> None:
    folder = copy_of_compose(tmp_path)
    set_up(folder)
    (folder / "state/data/postgres/18").mkdir()
    (folder / "state" / lost).unlink()

    refused = set_up(folder)

    assert refused.returncode == 1
    assert f"state/{lost} is missing" in refused.stderr
    assert "put it back" in refused.stderr
    assert not (folder / "state" / lost).exists()


def test_the_master_key_is_one(installed: Path, tmp_path: Path) -> None:
    key = FileMasterKey(installed / "state/secrets/master_key")

    assert key.unwrap(key.wrap(b"data key", b"context"), b"context") == b"data key"


@pytest.mark.parametrize("server", ["postgres", "nats", "elasticsearch"])
def test_a_certificate_is_good_for_its_server_alone(installed: Path, server: str) -> None:
    tls = installed / "state/tls"

    assert _verified(tls, server, server)
    assert not _verified(tls, server, "somebody.else")


def test_a_removed_certificate_is_renewed_by_the_same_authority(tmp_path: Path) -> None:
    folder = copy_of_compose(tmp_path)
    set_up(folder)
    tls = folder / "state/tls"
    authority, old = (tls / "ca.crt").read_bytes(), (tls / "nats.crt").read_bytes()
    (tls / "nats.crt").unlink()
    (tls / "nats.key").unlink()

    assert set_up(folder).returncode == 0

    assert (tls / "ca.crt").read_bytes() == authority
    assert (tls / "nats.crt").read_bytes() != old
    assert _verified(tls, "nats", "nats")
    ssl.create_default_context().load_cert_chain(tls / "nats.crt", tls / "nats.key")


def test_urls_carry_the_passwords_the_engines_were_given(installed: Path) -> None:
    secrets = installed / "state/secrets"
    passwords = installed / "state/passwords"

    for url, password in (
        ("postgres_url", "postgres_runtime"),
        ("postgres_owner_url", "postgres_owner"),
        ("nats_app_url", "nats_app"),
        ("nats_relay_url", "nats_relay"),
        ("elasticsearch_url", "elasticsearch"),
        ("clickhouse_url", "clickhouse"),
        ("valkey_url", "valkey"),
    ):
        assert urlsplit((secrets / url).read_text()).password == (passwords / password).read_text()
    told = tomllib.loads((secrets / "nats_passwords.conf").read_text().replace(": ", " = "))
    assert told["NATS_APP_PASSWORD"] == (passwords / "nats_app").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files that belong to somebody else")
def test_what_root_makes_belongs_to_who_runs_in_the_containers(installed: Path) -> None:
    """Other than what no container reads: passwords on their own, and the authority's key."""
    owners = {path.name: path.stat().st_uid for path in (installed / "state").iterdir()}

    assert owners == {"data": 10001, "secrets": 10001, "tls": 10001, "passwords": 0, "authority": 0}
    assert (installed / "state/secrets/master_key").stat().st_uid == 10001
    assert "AIGESTION_UID=10001" in (installed / ".env").read_text()


def _contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _verified(tls: Path, server: str, name: str) -> bool:
    """As strictly as Python 3.13 does by default."""
    command = [
        "openssl",
        "verify",
        "-x509_strict",
        "-purpose",
        "sslserver",
        "-verify_hostname",
        name,
    ]
    done = subprocess.run(
        [*command, "-CAfile", tls / "ca.crt", tls / f"{server}.crt"], capture_output=True
    )
    return done.returncode == 0
