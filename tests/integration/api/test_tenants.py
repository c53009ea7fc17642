"""Tenants over HTTP: for the operator, and the admins of the tenant `operator`."""

from typing import Any

import httpx2
import pytest

from aigestion.api.auth import OPERATOR_TENANT
from tests.support.api import Client, asking
from tests.support.api_fakes import OPERATOR_TOKEN
from tests.support.installation import Installation

TENANTS = "/v1/tenants"
AS_OPERATOR = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}


async def made(client: Client, name: str, **headers: str) -> httpx2.Response:
    return await client.post(TENANTS, json={"tenant": name}, headers={**AS_OPERATOR, **headers})


async def test_the_operator_makes_a_tenant_whose_key_opens_it(
    installation: Installation, client: Client
) -> None:
    created = await made(client, "acme")
    await installation.catch_up()

    assert created.status_code == 201, created.text
    async with asking(installation.app, created.json()["key"]) as acme:
        assert (await acme.post("/v1/conversations", json={})).status_code == 201
        assert (await acme.get("/v1/keys")).json()["items"][0]["name"] == "first"
        assert (await acme.get(TENANTS)).json()["code"] == "forbidden"
    first, second = await installation.world.log.read(after=created.json()["position"] - 2, limit=2)
    assert (first.tenant, first.actor) == (second.tenant, second.actor) == ("acme", "operator")


async def test_admins_of_the_tenant_operator_may_and_no_others(
    installation: Installation, client: Client
) -> None:
    key = await installation.tenant(OPERATOR_TENANT)
    body = {"tenant": "acme"}

    refused = await client.post(TENANTS, json=body)
    async with asking(installation.app, key) as operator:
        created = await operator.post(TENANTS, json=body)
        await installation.catch_up()
        listed = [await operator.get(TENANTS, params={"limit": 2})]
        cursor = listed[0].json()["next_cursor"]
        listed.append(await operator.get(TENANTS, params={"cursor": cursor}))

    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert created.status_code == 201
    names = [one["tenant"] for page in listed for one in page.json()["items"]]
    assert names == ["acme", "demo", "operator"]


async def test_a_name_is_taken_once_and_a_repeat_is_no_news(
    installation: Installation, client: Client
) -> None:
    first = await made(client, "acme", **{"Idempotency-Key": "once"})
    head = await installation.world.log.head()
    again = await made(client, "acme", **{"Idempotency-Key": "once"})
    other = await made(client, "acme")

    assert again.json() == {**first.json(), "key": None}
    assert (other.status_code, other.json()["code"]) == (409, "refused")
    assert await installation.world.log.head() == head


@pytest.mark.parametrize("name", ["", "Acme", "1st", "a.b", "a" * 64, "acme\n", "é", 7, None])
async def test_a_bad_name_is_a_bad_field(client: Client, name: Any) -> None:
    answer = await client.post(TENANTS, json={"tenant": name}, headers=AS_OPERATOR)

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["tenant"]
