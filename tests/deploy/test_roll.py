"""`roll.sh` replaces one service after the other; a stand-in for `docker` notes what it is told."""

import os
import subprocess
from pathlib import Path

from tests.deploy.conftest import DEPLOY

ROLL_SECONDS_MAX = 60


def test_the_database_comes_first_and_then_one_service_after_the_other(tmp_path: Path) -> None:
    done, told = _roll(tmp_path)

    assert done == 0
    assert told[0] == "compose run --rm --no-deps migrate"
    assert [line.split()[-1] for line in told[1:]] == [
        "project-a",
        "api-a",
        "api-b",
        "relay",
        "project-b",
        "agents",
    ]
    assert all(" --wait " in line and " --no-deps " in line for line in told[1:])


def test_it_stops_at_a_service_that_does_not_become_ready(tmp_path: Path) -> None:
    done, told = _roll(tmp_path, failing="project-a")

    assert done != 0
    assert told[-1].endswith(" project-a")


def test_nothing_is_replaced_if_the_migration_fails(tmp_path: Path) -> None:
    done, told = _roll(tmp_path, failing="migrate")

    assert done != 0
    assert len(told) == 1


def _roll(folder: Path, failing: str = "nothing") -> tuple[int, list[str]]:
    docker, told = folder / "docker", folder / "told"
    docker.write_text(f'#!/bin/sh\necho "$@" >>{told}\ncase "$*" in *{failing}) exit 1 ;; esac\n')
    docker.chmod(0o755)
    done = subprocess.run(
        ["sh", DEPLOY / "compose/roll.sh"],
        env={"PATH": f"{folder}:{os.environ['PATH']}"},
        timeout=ROLL_SECONDS_MAX,
        check=False,
    )
    return done.returncode, told.read_text().splitlines()
