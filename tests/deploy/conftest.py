"""The production set as an operator has it: copied to an empty folder, `setup.sh` run there."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
SETUP_SECONDS_MAX = 180


def set_up(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `setup.sh` in a folder that holds a copy of `deploy/compose`."""
    return subprocess.run(
        ["sh", folder / "setup.sh"], capture_output=True, text=True, timeout=SETUP_SECONDS_MAX
    )


def copy_of_compose(folder: Path) -> Path:
    """What git has of `deploy/compose`, without what somebody's own `setup.sh` made there; and beside it the
    files of ClickHouse, which any ClickHouse may use."""
    ignored = shutil.ignore_patterns("state", ".env")
    shutil.copytree(DEPLOY / "clickhouse", folder / "clickhouse")
    return Path(shutil.copytree(DEPLOY / "compose", folder / "compose", ignore=ignored))


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_of_compose(tmp_path_factory.mktemp("deploy"))
    done = set_up(folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def variables(installed: Path) -> dict[str, str]:
    """What `.env` says."""
    lines = (installed / ".env").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


@pytest.fixture(scope="session")
def compose(installed: Path, variables: dict[str, str]) -> dict[str, Any]:
    """`compose.yaml` with `.env` filled in."""
    return _rendered(installed / "compose.yaml", variables)


@pytest.fixture(scope="session")
def with_model(installed: Path, variables: dict[str, str]) -> Callable[[str], dict[str, Any]]:
    """`compose.model.yaml` with this provider chosen in `.env`."""
    file = installed / "compose.model.yaml"
    return lambda provider: _rendered(file, variables | {"MODEL_PROVIDER": provider})


def _rendered(file: Path, variables: dict[str, str]) -> dict[str, Any]:
    text = re.sub(r"\$\{(\w+):\?[^}]+\}", lambda m: variables[m[1]], file.read_text())
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded
