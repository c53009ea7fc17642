"""Every route with an id in its path, asked with an id that is not the caller's: made from the routes themselves."""

from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx2
from litestar.routes import HTTPRoute

from aigestion.api.app import create_app
from aigestion.api.keys import mint_key
from aigestion.api.scopes import NEEDED
from aigestion.commands.directory.issue_key import IssueKey
from aigestion.commands.run.start_run import StartRun
from aigestion.kernel.ids import derived_id
from tests.support.api import Client, asking
from tests.support.api_fakes import World
from tests.support.installation import Installation

OUTSIDE = "outsider"
CHAT = {"type": "user.chat", "payload": {"text": "Hello"}}
DEFINITION = {"description": "Tries.", "instructions": "Try."}
BODIES: dict[str, Any] = {
    "PATCH /v1/conversations/{conversation_id}": {"title": "Boats"},
    "POST /v1/agents/{name}/register": {"description": "Answers."},
    "POST /v1/agents/{name}/rollback": {"version": 1},
    "POST /v1/conversations/{conversation_id}/interactions": CHAT,
    "POST /v1/conversations/{conversation_id}/interactions/{event_id}/failure": {
        "reason": "tired",
        "message": "Not today.",
    },
    "POST /v1/conversations/{conversation_id}/interactions/{event_id}/reply": {"text": "Hi"},
    "POST /v1/keys/{key_id}/expire": {"expires_at": "2027-01-01T00:00:00Z"},
    "PUT /v1/agents/{name}": DEFINITION,
}
MAKING = ("PUT /v1/agents/{name}", "POST /v1/agents/{name}/register")
"""Whatever is not there yet is made, in the caller's own tenant: no name is foreign."""
ENDING = ("/cancel", "/failure", "/reply")
"""Of a run that has not ended before."""
ENDLESS = ("GET /v1/conversations/{conversation_id}/stream",)
"""Answered for ever if it is the caller's own."""


class Things(NamedTuple):
    """One of each that a tenant can have, by the names that ids have in paths."""

    conversation_id: str
    event_id: str
    run_id: str
    document_id: str
    key_id: str
    name: str


def routes() -> Iterator[str]:
    """Every route of a tenant's key with an id in its path, as `METHOD /path`."""
    for route in create_app(World().doors).routes:
        path = route.path_format
        if isinstance(route, HTTPRoute) and "{" in path and "{report}" not in path:
            for handler, _ in route.route_handler_map.values():
                if handler.opt.get(NEEDED) not in (None, "operator"):
                    yield from (f"{one} {path}" for one in handler.http_methods - {"OPTIONS"})


ROUTES = sorted(routes())


async def things(
    installation: Installation, client: Client, tenant: str, user: str = "ana"
) -> Things:
    """Make one of each for a user of a tenant."""
    agent = f"{tenant}-agent"
    await client.put(f"/v1/agents/{agent}", json=DEFINITION)
    await client.post(f"/v1/agents/{OUTSIDE}/register", json={"description": "Answers."})
    await installation.catch_up()
    started = await client.post(
        "/v1/conversations", json={"agent": OUTSIDE}, headers={"Aigestion-User": user}
    )
    conversation = started.json()["conversation_id"]
    said = await client.post(f"/v1/conversations/{conversation}/interactions", json=CHAT)
    event = UUID(said.json()["event_id"])
    run = StartRun(
        run_id=derived_id(event, OUTSIDE),
        conversation_id=UUID(conversation),
        agent=OUTSIDE,
        in_reply_to=event,
    )
    minted = mint_key()
    issue = IssueKey(minted.key_id, minted.secret_hash, "a key", ("read",))
    await installation.world.happen(run, issue, tenant=tenant)
    document = await client.post(
        "/v1/documents", json={"title": "Boats", "text": f"They float: {event}."}
    )
    await installation.catch_up()
    return Things(
        conversation,
        str(event),
        str(run.run_id),
        document.json()["document_id"],
        minted.key_id,
        agent,
    )


async def ask(client: Client, route: str, given: Things) -> httpx2.Response:
    method, path = route.split(" ")
    return await client.request(method, path.format(**given._asdict()), json=BODIES.get(route))


async def test_a_callers_own_ids_open_every_route(installation: Installation) -> None:
    """And those of every user of the tenant: a key belongs to a tenant, not to one of its users."""
    refused = {}
    async with asking(installation.app, await installation.tenant("demo")) as client:
        for user in ("ana", "ben"):
            own = await things(installation, client, "demo", user)
            for route in sorted(set(ROUTES) - set(ENDLESS)):
                if route.endswith(ENDING) or route.startswith("DELETE"):
                    own = await things(installation, client, "demo", user)
                answer = await ask(client, route, own)
                await installation.catch_up()
                if answer.status_code >= 300 and "register" not in route:
                    refused[user, route] = answer.text

    assert refused == {}
    assert len(ROUTES) == 19
    assert set(BODIES) <= set(ROUTES)


async def test_nobody_elses_ids_open_any(installation: Installation) -> None:
    keys = [await installation.tenant(name) for name in ("demo", "other")]
    async with (
        asking(installation.app, keys[0]) as client,
        asking(installation.app, keys[1]) as stranger,
    ):
        foreign = await things(installation, stranger, "other")
        gone = await things(installation, client, "demo")
        await client.delete(f"/v1/documents/{gone.document_id}")
        await installation.catch_up()
        guessed = Things(*(str(uuid4()) for _ in range(4)), "0123456789ab", "nobody")
        malformed = Things(*["%00"] * 6)
        cases = {
            "another tenant's": (foreign, {404}),
            "guessed": (guessed, {404}),
            "malformed": (malformed, {400, 404}),
        }
        opened = {}
        for whose, (given, refusals) in cases.items():
            for route in ROUTES:
                await installation.catch_up()
                head = await installation.world.log.head()
                answer = await ask(client, route, given)
                done = await installation.world.log.read(after=head)
                if whose != "malformed" and route in MAKING:
                    assert {event.tenant for event in done} <= {"demo"}, route
                elif done or answer.status_code not in refusals:
                    opened[whose, route] = answer.text
        for route in (one for one in ROUTES if "{document_id}" in one and "DELETE" not in one):
            answer = await ask(client, route, gone)
            if answer.status_code != 404:
                opened["deleted", route] = answer.text

    assert opened == {}
