"""A key tells whose it is and what it opens."""

from collections.abc import Sequence

import pytest

from aigestion.events.directory import SCOPES, Scope
from tests.support.api_fakes import World
from tests.unit.api.conftest import Client


@pytest.mark.parametrize("scopes", [SCOPES, ["events"]])
async def test_any_key_learns_its_tenant_and_scopes(
    world: World, client: Client, scopes: Sequence[Scope]
) -> None:
    minted = world.keys.issue("harbour", scopes)

    answer = await client.get("/v1/caller", headers={"Authorization": f"Bearer {minted.key}"})

    assert answer.status_code == 200
    assert answer.json() == {
        "tenant": "harbour",
        "key_id": minted.key_id,
        "scopes": list(scopes),
    }


async def test_nobody_learns_nothing(client: Client) -> None:
    del client.headers["Authorization"]

    assert (await client.get("/v1/caller")).status_code == 401
