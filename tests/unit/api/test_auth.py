"""Who may come in, and as whom."""

import re
from uuid import uuid4

import pytest
from litestar import Litestar

from aigestion.api.auth import KEYS_CACHED_MAX, Keys
from aigestion.api.keys import PresentedKey, mint_key
from tests.support.api_fakes import OPERATOR_TOKEN, FakeDirectory, World
from tests.unit.api.conftest import Client, fields

LIST = "/v1/conversations"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Basic dXNlcjpwYXNz",
        "Bearer aig_000000000000_" + "0" * 64 + "_00000000",
        "Bearer " + "x" * 5000,
        "Bearer clé",
    ],
)
async def test_absent_and_malformed_keys_are_401(client: Client, header: str | None) -> None:
    del client.headers["Authorization"]
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}

    answer = await client.get(LIST, headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="aigestion"'
    assert answer.json()["code"] == "unauthenticated"


async def test_a_misspelt_key_costs_no_look_up(world: World, client: Client) -> None:
    key = world.demo.key
    typo = key[:-1] + ("0" if key[-1] != "0" else "1")

    answer = await client.get(LIST, headers={"Authorization": f"Bearer {typo}"})

    assert (answer.status_code, world.directory.lookups) == (401, 0)


async def test_a_key_nobody_issued_and_a_revoked_one_are_answered_alike(
    world: World, client: Client
) -> None:
    revoked = world.directory.issue("demo", revoked=True)

    unknown = await client.get(LIST, headers={"Authorization": f"Bearer {mint_key().key}"})
    former = await client.get(LIST, headers={"Authorization": f"Bearer {revoked.key}"})

    assert unknown.status_code == former.status_code == 401
    assert unknown.content == former.content


async def test_the_right_id_with_another_secret_is_refused(world: World) -> None:
    keys = Keys(world.directory)  # type: ignore[arg-type]

    assert await keys.tenant(PresentedKey(world.demo.key_id, mint_key().secret_hash)) is None
    assert await keys.tenant(PresentedKey(world.demo.key_id, world.demo.secret_hash)) == "demo"


async def test_a_key_is_looked_up_once_a_moment(world: World, client: Client) -> None:
    for _ in range(5):
        assert (await client.get(LIST)).status_code == 200

    assert world.directory.lookups == 1


async def test_remembered_keys_are_bounded() -> None:
    keys = Keys(FakeDirectory())  # type: ignore[arg-type]

    for number in range(KEYS_CACHED_MAX + 10):
        await keys.tenant(PresentedKey(str(number), "0" * 64))

    assert len(keys._known) == KEYS_CACHED_MAX


async def test_the_caller_is_the_key_unless_it_names_a_user(world: World, client: Client) -> None:
    await client.post(LIST, json={})
    await client.post(LIST, json={}, headers={"Aigestion-User": "ana@example.org"})

    by_key, by_user = await world.log.read()

    assert by_key.actor == by_key.data.user_id == f"key:{world.demo.key_id}"
    assert (by_user.actor, by_user.data.user_id) == ("user:ana@example.org", "ana@example.org")


@pytest.mark.parametrize("user", ["", "two words", "tab\tbed", "é", "x" * 129])
async def test_a_bad_user_is_named(client: Client, user: str) -> None:
    answer = await client.get(LIST, headers={"Aigestion-User": user.encode("latin-1")})

    assert fields(answer) == ["Aigestion-User"]


async def test_tenant_and_user_of_a_body_are_unknown_fields(client: Client) -> None:
    answer = await client.post(LIST, json={"tenant": "other", "user_id": "eve"})

    assert fields(answer) == ["tenant", "user_id"]


async def test_projections_are_shown_to_both_and_changed_by_the_operator(
    world: World, client: Client
) -> None:
    operator = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    rebuild = "/v1/projections/conversations/rebuild"

    assert (await client.get("/v1/projections")).status_code == 200
    assert (await client.get("/v1/projections", headers=operator)).status_code == 200
    refused = await client.post(rebuild)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (await client.post(rebuild, headers=operator)).status_code == 200
    nobody = await client.post(rebuild, headers={"Authorization": "Bearer nobody"})
    assert nobody.status_code == 401


async def test_the_operators_token_is_no_tenants_key(client: Client) -> None:
    answer = await client.get(LIST, headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"})

    assert answer.status_code == 401


async def test_no_route_of_the_api_opens_without_a_key(client: Client, app: Litestar) -> None:
    del client.headers["Authorization"]
    asked = 0
    for route in app.routes:
        for method in route.methods - {"OPTIONS"}:
            if route.path.startswith("/v1/"):
                path = re.sub(r"\{\w+\}", str(uuid4()), route.path_format)
                answer = await client.request(method, path, json={})
                assert answer.status_code == 401, (method, path)
                asked += 1
    assert asked >= 15
