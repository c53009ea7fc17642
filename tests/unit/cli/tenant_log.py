"""A log in memory with the tenant `demo`, where commands that work for a tenant look for one."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aigestion.cli import for_tenant, tenants
from aigestion.cli.app import aigestion
from tests.support.api_fakes import World


def open_world(monkeypatch: pytest.MonkeyPatch) -> World:
    """The log, once commands see nothing else."""
    world = World()

    @asynccontextmanager
    async def open_it(_data_dir: Path, *, appending: bool = False) -> AsyncIterator[Any]:
        yield SimpleNamespace(store=world.store, codec=world.codec, reader=world.log, tenant="demo")

    for module in (for_tenant, tenants):
        monkeypatch.setattr(module, "open_log", open_it)
    call("tenants", "create", "demo")
    return world


def call(*arguments: str, **more: Any) -> Result:
    return CliRunner().invoke(aigestion, [*arguments, "--data-dir", "/unused"], **more)


def told(*arguments: str, **more: Any) -> list[dict[str, Any]]:
    """Its lines of JSON."""
    result = call(*arguments, "--json", **more)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]
