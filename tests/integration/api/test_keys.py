"""Keys over HTTP: two processes of the API on one log agree on them within a second."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from litestar import Litestar
from prometheus_client import CollectorRegistry

from aigestion.api.app import create_app
from aigestion.api.keys import mint_key
from aigestion.events.directory import SCOPES
from aigestion.kernel.clock import utc_now
from tests.support.api import Client, asking
from tests.support.installation import Installation
from tests.support.tasks import running

KEYS = "/v1/keys"


@pytest.fixture
def processes(installation: Installation) -> tuple[Litestar, Litestar]:
    """Two applications that share nothing but the log and its read models."""
    return tuple(  # type: ignore[return-value]
        create_app(
            dataclasses.replace(installation.doors, metrics=CollectorRegistry(), clock=utc_now)
        )
        for _ in range(2)
    )


@pytest.fixture
async def admin(
    installation: Installation, processes: tuple[Litestar, Litestar]
) -> AsyncIterator[Client]:
    """Asks the first process, with every scope."""
    key = await installation.tenant("demo")
    async with asking(processes[0], key) as client:
        yield client


async def issued(installation: Installation, admin: Client, **body: Any) -> dict[str, Any]:
    """A key that every process knows; read models are kept meanwhile."""

    async def keep() -> None:
        while True:
            await installation.catch_up()
            await asyncio.sleep(0.02)

    async with running(keep()):
        answer = await admin.post(KEYS, json={"name": "a test", "scopes": ["events"], **body})
    assert answer.status_code == 201, answer.text
    key: dict[str, Any] = answer.json()
    return key


def last_event(stream: str) -> tuple[str, Any]:
    """Name and data of the last frame."""
    lines = dict(line.split(": ", 1) for line in stream.strip().split("\n\n")[-1].splitlines())
    return lines["event"], json.loads(lines["data"])


async def test_a_key_is_good_everywhere_once_it_was_answered(
    installation: Installation, admin: Client, processes: tuple[Litestar, Litestar]
) -> None:
    async with asking(processes[1], mint_key().key) as other:
        assert (await other.get("/v1/events")).status_code == 401

        key = await issued(installation, admin)
        other.headers["Authorization"] = f"Bearer {key['key']}"

        assert (await other.get("/v1/events")).status_code == 200
        assert (await other.get("/v1/conversations")).json()["code"] == "scope-missing"


async def test_a_revoked_key_ends_within_a_second_on_every_process_though_read_models_stand_still(
    installation: Installation, admin: Client, processes: tuple[Litestar, Litestar]
) -> None:
    started = (await admin.post("/v1/conversations", json={})).json()
    key = await issued(installation, admin)
    async with asking(processes[1], key["key"]) as other:
        following = asyncio.create_task(
            other.get(f"/v1/conversations/{started['conversation_id']}/stream")
        )
        await asyncio.sleep(0.3)
        assert (await other.get("/v1/events")).status_code == 200

        assert (await admin.delete(f"{KEYS}/{key['key_id']}")).status_code == 204

        async with asyncio.timeout(1):
            stream = await following
        assert last_event(stream.text)[0] == "end"
        assert last_event(stream.text)[1]["code"] == "key-revoked"
        refused = await other.get("/v1/events")
        assert (refused.status_code, refused.json()["code"]) == (401, "key-revoked")


async def test_an_expired_key_ends_its_stream(
    installation: Installation, admin: Client, processes: tuple[Litestar, Litestar]
) -> None:
    started = (await admin.post("/v1/conversations", json={})).json()
    end = utc_now() + timedelta(seconds=1.5)
    key = await issued(installation, admin)
    expiry = {"expires_at": end.isoformat()}
    expiring = await admin.post(f"{KEYS}/{key['key_id']}/expire", json=expiry)
    assert expiring.status_code == 200, expiring.text

    async with asking(processes[1], key["key"]) as other:
        stream = await other.get(f"/v1/conversations/{started['conversation_id']}/stream")

        assert end < utc_now() < end + timedelta(seconds=1)
        assert last_event(stream.text)[1]["code"] == "key-expired"
        assert (await other.get("/v1/events")).json()["code"] == "key-expired"


async def test_the_list_shows_every_key_and_never_its_hash(
    installation: Installation, admin: Client
) -> None:
    end = (utc_now() + timedelta(days=1)).isoformat()
    first = await issued(installation, admin, scopes=["events", "read"], expires_at=end)
    second = await issued(installation, admin)
    await admin.delete(f"{KEYS}/{second['key_id']}")
    await installation.tenant("other")
    await installation.catch_up()

    shown = (await admin.get(KEYS)).text
    page = (await admin.get(KEYS, params={"limit": 2})).json()
    rest = (await admin.get(KEYS, params={"cursor": page["next_cursor"]})).json()

    listed = [*page["items"], *rest["items"]]
    assert [(one["name"], one["state"]) for one in listed] == [
        ("a test", "revoked"),
        ("a test", "active"),
        ("a test", "active"),
    ]
    assert listed[1]["scopes"] == first["scopes"] == ["read", "events"]
    assert listed[1]["issued_by"].startswith("key:")
    assert listed[2]["scopes"] == list(SCOPES)
    for secret in ("hash", first["key"], first["key"].split("_")[2]):
        assert secret not in shown


async def test_a_repeated_request_issues_one_key_and_shows_it_once(
    installation: Installation, admin: Client
) -> None:
    admin.headers["Idempotency-Key"] = "once"

    first = await issued(installation, admin)
    again = await issued(installation, admin)

    assert first["key"] is not None
    assert again == {**first, "key": None}


@pytest.mark.parametrize(
    ("body", "bad"),
    [
        ({}, {"name", "scopes"}),
        ({"name": "x", "scopes": []}, {"scopes"}),
        ({"name": "x", "scopes": ["root"]}, {"scopes.0"}),
        ({"name": " ", "scopes": ["read"], "tenant": "other"}, {"name", "tenant"}),
        ({"name": "x", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}, {"expires_at"}),
        (
            {"name": "x", "scopes": ["read"], "expires_at": "9999-12-31T23:59:59-23:00"},
            {"expires_at"},
        ),
        ({"name": "x", "scopes": ["read"], "expires_at": "2090-01-01T00:00:00"}, {"expires_at"}),
    ],
)
async def test_a_bad_key_is_refused_with_every_field(
    admin: Client, body: dict[str, Any], bad: set[str]
) -> None:
    answer = await admin.post(KEYS, json=body)

    assert answer.status_code == 400
    assert {error["field"] for error in answer.json()["errors"]} == bad


async def test_the_key_of_another_tenant_is_no_key(
    installation: Installation, admin: Client
) -> None:
    theirs = (await installation.tenant("other")).split("_")[1]
    expiry = {"expires_at": (utc_now() + timedelta(days=1)).isoformat()}

    answers = []
    for key_id in (theirs, "0" * 12, "nonsense", str(uuid4())):
        answers.append(await admin.delete(f"{KEYS}/{key_id}"))
        answers.append(await admin.post(f"{KEYS}/{key_id}/expire", json=expiry))

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
