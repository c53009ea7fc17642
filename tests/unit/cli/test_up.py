"""What `aigestion up` tells a newcomer."""

from pathlib import Path

import click

from aigestion.cli.options import DATA_DIR
from aigestion.cli.up import welcome
from aigestion.embedded.connect_file import Doors

DOORS = Doors(
    version="0.1.0",
    pid=1,
    http_url="http://127.0.0.1:8080",
    api_key="aig_key",
    operator_key="aigop_secret",
    nats_url="nats://127.0.0.1:4222",
    nats_user="reader",
    nats_password="n-secret",
    postgres_dsn="postgresql://app:p-secret@127.0.0.1:5432/postgres",
    tenant="demo",
)


def test_it_says_what_runs_where_and_what_to_try() -> None:
    told = click.unstyle(welcome(DOORS, DATA_DIR))

    for where in ("http://127.0.0.1:8080", "nats://127.0.0.1:4222", "127.0.0.1:5432/postgres"):
        assert where in told
    assert "aig_key" in told
    assert ".aigestion/demo.key" in told
    commands = [line.strip() for line in told.splitlines() if line.startswith("  aigestion")]
    assert commands == [
        "aigestion ask 'what is a dense position?'",
        "aigestion events --follow",
        "aigestion audit verify",
    ]


def test_passwords_and_the_operators_key_are_not_printed() -> None:
    assert "secret" not in welcome(DOORS, DATA_DIR)


def test_another_data_dir_is_part_of_the_commands() -> None:
    told = welcome(DOORS, Path("/var/lib/my data"))

    assert "aigestion audit verify --data-dir '/var/lib/my data'" in told
