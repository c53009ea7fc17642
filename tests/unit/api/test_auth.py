"""Who may come in, and as whom."""

import asyncio
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4
from zlib import crc32

import msgspec
import pytest
from litestar import Litestar, get

from aigestion.api.app import create_app
from aigestion.api.auth import KEYS_CACHED_MAX, OPERATOR_TENANT, Keys
from aigestion.api.keys import MintedKey, PresentedKey, mint_key, parse_key
from aigestion.api.openapi import OPEN
from aigestion.api.scopes import NEEDED_BY
from aigestion.events.directory import SCOPES
from aigestion.kernel.clock import utc_now
from aigestion.kernel.errors import Unauthenticated
from tests.support.api_fakes import NOW, OPERATOR_TOKEN, FakeKeys, World
from tests.support.tasks import patience
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

    assert (answer.status_code, world.keys.lookups) == (401, 0)


async def test_without_its_secret_a_key_is_answered_as_if_nobody_had_issued_it(
    world: World, client: Client
) -> None:
    revoked = world.keys.issue("demo", revoked_at=NOW)
    guesses = [_with_the_id_of(one) for one in (world.demo, revoked)]

    unknown, *others = [
        await client.get(LIST, headers={"Authorization": f"Bearer {key}"})
        for key in (mint_key().key, *guesses)
    ]

    for answer in others:
        assert unknown.status_code == answer.status_code == 401
        assert unknown.content == answer.content


def _with_the_id_of(minted: MintedKey) -> str:
    """A well-formed key with this id and another secret."""
    body = f"aig_{minted.key_id}_{'0' * 64}"
    return f"{body}_{crc32(body.encode()):08x}"


async def test_the_right_id_with_another_secret_is_refused(world: World) -> None:
    keys = Keys(world.keys, utc_now)  # type: ignore[arg-type]

    opened = await keys.opened(PresentedKey(world.demo.key_id, world.demo.secret_hash))
    assert opened.tenant == "demo"
    with pytest.raises(Unauthenticated):
        await keys.opened(PresentedKey(world.demo.key_id, mint_key().secret_hash))


async def test_a_key_is_looked_up_once_a_moment(world: World, client: Client) -> None:
    for _ in range(5):
        assert (await client.get(LIST)).status_code == 200

    assert world.keys.lookups == 1


async def test_a_key_that_was_unknown_is_good_as_soon_as_it_is_issued(
    world: World, client: Client
) -> None:
    early = mint_key()
    headers = {"Authorization": f"Bearer {early.key}"}
    assert (await client.get(LIST, headers=headers)).status_code == 401

    record = world.keys.keys[world.demo.key_id]
    world.keys.keys[early.key_id] = msgspec.structs.replace(
        record, key_id=early.key_id, secret_hash=early.secret_hash
    )

    assert (await client.get(LIST, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"revoked_at": NOW}, "key-revoked"),
        ({"expires_at": NOW}, "key-expired"),
        ({"expires_at": NOW + timedelta(seconds=1), "revoked_at": NOW}, "key-revoked"),
    ],
)
async def test_whoever_has_a_key_that_ended_is_told_so(
    world: World, client: Client, fields: dict[str, Any], code: str
) -> None:
    former = world.keys.issue("demo", **fields)

    answer = await client.get(LIST, headers={"Authorization": f"Bearer {former.key}"})

    assert (answer.status_code, answer.json()["code"]) == (401, code)


async def test_a_key_is_good_until_its_end(world: World, client: Client) -> None:
    passing = world.keys.issue("demo", expires_at=NOW + timedelta(microseconds=1))

    answer = await client.get(LIST, headers={"Authorization": f"Bearer {passing.key}"})

    assert answer.status_code == 200


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_key_opens_the_routes_of_its_scope_only(
    world: World, client: Client, scope: str
) -> None:
    key = world.keys.issue("demo", [scope])
    world.doors.draining.set()  # a stream that opens ends at once
    for route, needed in NEEDED_BY.items():
        method, path = re.sub(r"\{\w+\}", str(uuid4()), route).split()

        answer = await client.request(
            method, path, json={}, headers={"Authorization": f"Bearer {key.key}"}
        )

        if needed == "operator":
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), route
        elif needed in (scope, "key"):
            assert answer.status_code not in (401, 403, 405), (route, answer.text)
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing"), route
            assert answer.json()["scope"] == needed, route


def test_the_table_of_scopes_has_every_route_and_no_other(app: Litestar) -> None:
    paths = app.openapi_schema.to_schema()["paths"]
    needed = {
        f"{method.upper()} {path}": next(iter(operation["security"][-1].items()))
        for path, operations in paths.items()
        for method, operation in operations.items()
        if operation["security"] != OPEN
    }

    assert needed == {
        route: (scope, []) if scope in ("operator", "key") else ("key", [scope])
        for route, scope in NEEDED_BY.items()
    }


async def test_a_route_without_a_line_in_the_table_does_not_start(world: World) -> None:
    @get("/v1/new", include_in_schema=True, sync_to_thread=False)
    def new() -> None: ...

    with pytest.raises(LookupError, match="GET /v1/new"):
        create_app(world.doors).register(new)


async def test_remembered_keys_are_bounded() -> None:
    issued = FakeKeys()
    keys = Keys(issued, utc_now)  # type: ignore[arg-type]

    for _ in range(KEYS_CACHED_MAX + 10):
        minted = issued.issue("demo")
        await keys.opened(PresentedKey(minted.key_id, minted.secret_hash))

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


async def test_the_admins_of_the_tenant_operator_may_do_what_the_operator_may(
    world: World, client: Client
) -> None:
    rebuild = "/v1/projections/conversations/rebuild"

    for scopes, status in ((["admin"], 200), (["read", "write", "events"], 403)):
        key = world.keys.issue(OPERATOR_TENANT, scopes)
        answer = await client.post(rebuild, headers={"Authorization": f"Bearer {key.key}"})
        assert answer.status_code == status


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


async def test_all_who_wait_for_the_end_of_a_key_share_one_look(world: World) -> None:
    keys = Keys(world.keys, lambda: NOW)  # type: ignore[arg-type]
    key = parse_key(world.demo.key)
    assert key is not None
    before = len(asyncio.all_tasks())
    waiting = [asyncio.create_task(keys.closed(key)) for _ in range(100)]
    await asyncio.sleep(0)

    assert len(asyncio.all_tasks()) == before + len(waiting) + 1
    waiting[0].cancel()
    world.keys.change(world.demo, revoked_at=NOW)
    async with patience():
        reasons = await asyncio.gather(*waiting[1:])

    assert {reason.code for reason in reasons} == {"key-revoked"}
    assert world.keys.lookups < 5


async def test_nobody_looks_at_a_key_that_nobody_waits_for(world: World) -> None:
    keys = Keys(world.keys, lambda: NOW)  # type: ignore[arg-type]
    key = parse_key(world.demo.key)
    assert key is not None
    before = asyncio.all_tasks()
    waiting = [asyncio.create_task(keys.closed(key)) for _ in range(2)]
    await asyncio.sleep(0)

    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.sleep(0)

    assert asyncio.all_tasks() == before
