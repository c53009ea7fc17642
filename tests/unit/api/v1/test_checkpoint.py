"""The last signed checkpoint is there for whoever keeps it."""

from tests.support.api_fakes import World
from tests.unit.api.conftest import Client


async def test_it_is_the_last_one_and_it_is_known_when_it_is_the_same(
    world: World, client: Client
) -> None:
    for size in (1, 7):
        await world.checkpoints.add(size, b"", b"", b"", f"note {size}")

    answer = await client.get("/v1/checkpoint")
    again = await client.get("/v1/checkpoint", headers={"If-None-Match": answer.headers["ETag"]})

    assert (answer.status_code, again.status_code) == (200, 304)
    assert answer.headers["Aigestion-Position"] == "7"
    assert answer.json().items() >= {"size": 7, "note": "note 7"}.items()


async def test_there_is_none_before_something_is_signed(client: Client) -> None:
    answer = await client.get("/v1/checkpoint")

    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
