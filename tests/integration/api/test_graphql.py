"""GraphQL over real read models: every field answers what its route answers, to its tenant alone."""

import asyncio
import dataclasses
import time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from strawberry.utils.str_converters import to_camel_case

from aigestion.api.app import create_app
from aigestion.api.graphql.schema import ROUTES
from aigestion.commands.run.complete_model_call import CompleteModelCall
from aigestion.commands.run.record_context import RecordContext
from aigestion.commands.run.request_model import RequestModel
from aigestion.commands.run.start_run import StartRun
from aigestion.events.conversation import AgentReplied
from aigestion.events.run import ModelCompleted, RetrievedPassage
from aigestion.kernel.clock import utc_now
from aigestion.kernel.ids import new_id
from aigestion.queries.reports import ReportQueries
from aigestion.readstores.clickhouse.chdb import EmbeddedClickHouse
from aigestion.readstores.clickhouse.tables import Layout
from tests.integration.api.conftest import NOON
from tests.support.analytics import Analytics
from tests.support.api import Client, asking
from tests.support.history import History
from tests.support.installation import Installation

PATH = "/graphql"
RECENT = '"2026-01-01"'


class Told(msgspec.Struct):
    """Ids of what happened."""

    conversation: str
    run: str
    document: str


async def ask(client: Client, query: str, **variables: Any) -> Any:
    answer = await client.post(PATH, json={"query": query, "variables": variables})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def happened(installation: Installation, client: Client, tenant: str = "demo") -> Told:
    """A conversation with a message and its reply, and a document that the reply cites."""
    note = {"title": "Sea", "text": "A lighthouse by the sea.", "source": "sea"}
    document = (await client.post("/v1/documents", json=note)).json()["document_id"]
    started = (await client.post("/v1/conversations", json={"title": "Boats"})).json()
    conversation = started["conversation_id"]
    said = await client.post(
        f"/v1/conversations/{conversation}/interactions",
        json={"type": "user.chat", "payload": {"text": "Where is the lighthouse?"}},
    )
    whose: dict[str, Any] = {
        "run_id": new_id(), "conversation_id": UUID(conversation), "agent": "assistant",
    }  # fmt: skip
    run, call = whose["run_id"], new_id()
    message = UUID(said.json()["event_id"])
    completed = ModelCompleted(
        **whose, call_id=call, provider="p", requested_model="m", returned_model="m-1",
        finish_reason="stop", usage={"tokens": {"in": 2**40}}, input_tokens=2**40, output_tokens=1,
        requested_at=NOON, first_token_seconds=0.1, duration_seconds=0.2, output_hash="h",
    )  # fmt: skip
    reply = AgentReplied(**whose, user_id="ana", in_reply_to=message, text="By the sea.")
    await installation.world.happen(
        StartRun(**whose, in_reply_to=message),
        RecordContext(
            run_id=run, turns=0, passages=(RetrievedPassage(UUID(document), 0, 0.5),)
        ),
        RequestModel(
            run_id=run, call_id=call, attempt=1, provider="p", model="m",
            parameters={"temperature": 0}, manifest=(),
        ),
        CompleteModelCall(completed, reply),
        tenant=tenant,
    )  # fmt: skip
    await installation.catch_up()
    return Told(conversation, str(run), document)


@pytest.fixture
async def told(installation: Installation, client: Client) -> Told:
    return await happened(installation, client)


FREE = ("parameters", "usage", "properties")
"""What keeps its own names."""


def here(over_http: Any) -> Any:
    """What another route answered, in the names of GraphQL."""
    match over_http:
        case dict():
            return {
                to_camel_case(name): value if name in FREE else here(value)
                for name, value in over_http.items()
            }
        case list():
            return [here(one) for one in over_http]
        case _:
            return over_http


PAGE = "nextCursor stale"
MESSAGE = (
    "id role kind text name properties citations { number documentId passage title } state notice "
    "inReplyTo replaced runId position occurredAt"
)
RUN = (
    "runId conversationId agent inReplyTo state reason notice begunAt startedAt "
    "retrieval { at turns passages { documentId passage score } } "
    "calls { callId attempt state provider requestedModel returnedModel parameters requestedAt endedAt "
    "firstTokenSeconds durationSeconds usage inputTokens outputTokens reason message } "
    "cancelRequestedAt endedAt position stale"
)
AGENT = (
    "agent version description instructions model hears documents "
    "limits { outputTokensMax historyTurnsMax passagesMax callSecondsMax } "
    "rolledBackTo definedAt definedBy position"
)
COLUMN = "{ name meaning unit }"

FIELDS: dict[str, tuple[str, str]] = {
    "conversations": (
        "conversations(limit: 3) { items { conversationId title agent userId startedAt lastAt archived "
        f"messages position }} {PAGE} }}",
        "/v1/conversations?limit=3",
    ),
    "conversation": (
        'conversation(conversationId: "<conversation>") { conversationId title agent userId startedAt '
        f"archived messages {{ {MESSAGE} }} earlierMessages stale }}",
        "/v1/conversations/<conversation>",
    ),
    "runs": (
        "runs(state: replied) { items { runId conversationId agent inReplyTo state reason begunAt "
        f"startedAt endedAt calls position }} {PAGE} }}",
        "/v1/runs?state=replied",
    ),
    "run": (f'run(runId: "<run>") {{ {RUN} }}', "/v1/runs/<run>"),
    "search": (
        'search(q: "lighthouse") { items { kind id conversationId documentId passage title highlight '
        f"score position occurredAt }} {PAGE} }}",
        "/v1/search?q=lighthouse",
    ),
    "reports": (
        f"reports {{ items {{ name meaning by buckets dimensions {COLUMN} measures {COLUMN} takesSteps }} }}",
        "/v1/analytics",
    ),
    "report": (
        f'report(report: "usage", from: {RECENT}, by: "total") {{ report columns items stale }}',
        "/v1/analytics/usage?from=2026-01-01&by=total",
    ),
    "documents": (
        f"documents {{ items {{ documentId title mediaType source bytes passages addedAt position }} {PAGE} }}",
        "/v1/documents",
    ),
    "document": (
        'document(documentId: "<document>") { documentId title mediaType source bytes addedAt position '
        "passages stale }",
        "/v1/documents/<document>",
    ),
    "agents": ("agents { items { agent version description hears } }", "/v1/agents"),
    "agent": (f'agent(name: "assistant") {{ {AGENT} }}', "/v1/agents/assistant"),
    "agent_versions": (
        f'agentVersions(name: "assistant") {{ items {{ {AGENT} }} {PAGE} }}',
        "/v1/agents/assistant/versions",
    ),
}
"""By the field: how it is asked here with everything in it, and how on its route."""


def asked(template: str, told: Told) -> str:
    for name, value in msgspec.structs.asdict(told).items():
        template = template.replace(f"<{name}>", value)
    return template


def test_every_field_is_compared() -> None:
    assert FIELDS.keys() == ROUTES.keys()


@pytest.mark.parametrize("field", sorted(FIELDS.keys() - {"report"}))
async def test_a_field_answers_all_that_its_route_answers(
    client: Client, told: Told, field: str
) -> None:
    query, path = (asked(template, told) for template in FIELDS[field])

    answer = await ask(client, f"{{ {query} }}")
    over_http = await client.get(path)

    assert "errors" not in answer
    (data,) = answer["data"].values()
    expected = here(over_http.json())
    assert _without_nulls(data) == _without_nulls(expected)
    assert data.get("items", True)
    if "aigestion-position" in over_http.headers:
        assert answer["extensions"]["position"] == int(over_http.headers["aigestion-position"])


def _without_nulls(value: Any) -> Any:
    """Some routes leave out what is null; GraphQL does not."""
    match value:
        case dict():
            return {k: _without_nulls(one) for k, one in value.items() if one is not None}
        case list():
            return [_without_nulls(one) for one in value]
        case _:
            return value


async def test_a_report_answers_all_that_its_route_answers(
    installation: Installation, client: Client, told: Told, tmp_path: Path
) -> None:
    history = History()
    history.events += await installation.world.log.read()
    async with EmbeddedClickHouse.open(tmp_path / "clickhouse") as engine:
        analytics = Analytics(engine, Layout())
        await analytics.build(history)
        doors = dataclasses.replace(
            installation.doors,
            reports=ReportQueries(analytics.store, analytics.progress),
            metrics=CollectorRegistry(),
            clock=utc_now,
        )
        async with asking(create_app(doors), _key(client)) as reporting:
            query, path = FIELDS["report"]
            answer = await ask(reporting, f"{{ {query} }}")
            over_http = (await reporting.get(path)).json()

    assert answer["data"]["report"] == over_http
    assert over_http["items"][0]["messages"] == 1


async def test_links_lead_from_conversations_to_the_steps_of_their_runs(
    client: Client, told: Told
) -> None:
    answer = await ask(
        client,
        """{ conversations(limit: 5) { items {
          title
          runs(state: replied, limit: 5) { items { state steps { calls { returnedModel } } } }
        } } }""",
    )

    (conversation,) = answer["data"]["conversations"]["items"]
    (run,) = conversation["runs"]["items"]
    assert conversation["title"] == "Boats"
    assert run["steps"] == {"calls": [{"returnedModel": "m-1"}]}
    assert answer["extensions"]["cost"] == (1 + 5 + 25) + (5 + 25 + 25 * 20)


async def test_cursors_are_those_of_the_route(
    installation: Installation, client: Client, told: Told
) -> None:
    for _ in range(4):
        await client.post("/v1/conversations", json={})
    await installation.catch_up()
    query = """query ($cursor: String) {
      conversations(limit: 2, cursor: $cursor) { items { conversationId } nextCursor }
    }"""

    first = (await ask(client, query))["data"]["conversations"]
    second = (await ask(client, query, cursor=first["nextCursor"]))["data"]["conversations"]
    over_http = (
        await client.get("/v1/conversations", params={"limit": 2, "cursor": second["nextCursor"]})
    ).json()
    other = await ask(client, query.replace("conversations", "documents").replace(
        "conversationId", "documentId"), cursor=first["nextCursor"])  # fmt: skip

    assert (
        first["nextCursor"] == (await client.get("/v1/conversations?limit=2")).json()["next_cursor"]
    )
    shown = [one["conversationId"] for page in (first, second) for one in page["items"]]
    shown += [one["conversation_id"] for one in over_http["items"]]
    assert len(set(shown)) == 5
    assert shown[-1] == told.conversation
    assert other["errors"][0]["extensions"]["errors"][0]["field"] == "cursor"


async def test_another_tenant_finds_none_of_it(
    installation: Installation, client: Client, told: Told
) -> None:
    """What is another's is answered, byte for byte, as what there is not."""
    key = await installation.tenant("other")
    one_by_id = {
        "conversation": 'conversation(conversationId: "{id}") { title messages { text } }',
        "run": 'run(runId: "{id}") { state calls { callId } }',
        "document": 'document(documentId: "{id}") { title passages }',
    }
    nobodys = str(uuid4())
    async with asking(installation.app, key) as stranger:
        for kind, field in one_by_id.items():
            query = "{ " + field + " }"
            foreign = await ask(stranger, query.replace("{id}", getattr(told, kind)))
            unknown = await ask(stranger, query.replace("{id}", nobodys))
            over_http = (await stranger.get(f"/v1/{kind}s/{getattr(told, kind)}")).json()

            assert foreign == unknown
            assert foreign["data"] == {kind: None}
            (error,) = foreign["errors"]
            assert error["message"] == over_http["detail"]
            assert error["extensions"] == {"code": "not-found", "status": 404}
        lists = await ask(
            stranger,
            f"""{{
              conversations(limit: 3) {{ items {{ title runs(limit: 3) {{ items {{ state }} }} }} }}
              runs {{ items {{ state }} }}
              ofTheirs: runs(conversationId: "{told.conversation}") {{ items {{ state }} }}
              search(q: "lighthouse") {{ items {{ id }} }}
              inTheirs: search(q: "lighthouse", conversationId: "{told.conversation}") {{ items {{ id }} }}
              documents {{ items {{ title }} }}
            }}""",
        )
    assert "errors" not in lists
    assert len(lists["data"]) == 6
    assert all(page["items"] == [] for page in lists["data"].values())


async def test_a_tenant_sees_the_same_with_and_without_others(
    installation: Installation, client: Client, told: Told
) -> None:
    queries = [asked(query, told) for name, (query, _) in FIELDS.items() if name != "report"]
    before = [(await ask(client, f"{{ {query} }}"))["data"] for query in queries]

    key = await installation.tenant("other")
    async with asking(installation.app, key) as stranger:
        await happened(installation, stranger, "other")

    assert [(await ask(client, f"{{ {query} }}"))["data"] for query in queries] == before


async def test_an_agent_of_another_tenant_is_not_found(
    installation: Installation, client: Client
) -> None:
    definition = {
        "description": "Ours.", "instructions": "Answer.", "model": "openai/big",
        "hears": ["user.chat"],
    }  # fmt: skip
    defined = await client.put("/v1/agents/ours", json=definition)
    assert defined.status_code == 200, defined.text
    await installation.catch_up()
    key = await installation.tenant("other")
    query = (
        '{ agent(name: "ours") { instructions } agentVersions(name: "ours") { items { version } } }'
    )

    ours = await ask(client, query)
    async with asking(installation.app, key) as stranger:
        theirs = await ask(stranger, query)

    assert ours["data"]["agent"] == {"instructions": "Answer."}
    assert theirs["data"] == {"agent": None, "agentVersions": None}
    assert {one["extensions"]["code"] for one in theirs["errors"]} == {"not-found"}


async def test_a_query_waits_for_what_was_just_written(
    installation: Installation, client: Client
) -> None:
    position = (await client.post("/v1/conversations", json={"title": "New"})).json()["position"]
    query = "query ($p: Long!) { conversations(minPosition: $p) { items { title } } }"
    waiting = asyncio.create_task(ask(client, query, p=position))
    await asyncio.sleep(0.1)
    assert not waiting.done()

    await installation.catch_up()

    assert (await waiting)["data"]["conversations"]["items"] == [{"title": "New"}]


async def test_a_database_that_is_gone_is_told_field_by_field(
    installation: Installation, client: Client, told: Told
) -> None:
    query = "{ conversations { stale } runs { stale } reports { items { name } } }"
    await ask(client, query)

    installation.network.refusing = True
    installation.network.cut()
    gone = await ask(client, query)
    installation.network.refusing = False
    back = await ask(client, query)

    assert gone["data"]["conversations"] is gone["data"]["runs"] is None
    assert gone["data"]["reports"]["items"]
    for error in gone["errors"]:
        assert error["extensions"]["code"] == "engine-unavailable"
        assert error["extensions"]["retry_after_seconds"] >= 1
    assert "errors" not in back


BOMBS = {
    "depth": "{" + "runs { items { steps " * 8 + "{ state }" + "} }" * 8 + "}",
    "aliases": "{" + " ".join(f"a{n}: runs {{ stale }}" for n in range(500)) + "}",
    "length": "{ runs { stale } }" + " " * 50_000,
    "tokens": "{" + "runs " * 3_000 + "}",
    "cost": "{ conversations(limit: 200) { items { runs(limit: 200) { items { steps { state } } } } } }",
    "fragments": "{ ...f0 }"
    + "".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(60))
    + "fragment f60 on Query { runs { stale } }",
}


@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_bomb_reaches_no_query(
    installation: Installation, client: Client, bomb: str
) -> None:
    await ask(client, "{ __typename }")  # the key is known from here on, the schema is made
    installation.network.refusing = True
    installation.network.cut()  # whatever asks the database now is told so
    began = time.process_time()

    answer = await ask(client, BOMBS[bomb])

    assert time.process_time() - began < 2
    assert [one["extensions"]["code"] for one in answer["errors"]] == ["query-too-complex"]
    assert "data" not in answer
    installation.network.refusing = False


async def test_a_list_of_requests_is_refused(client: Client) -> None:
    answer = await client.post(PATH, json=[{"query": "{ __typename }"}] * 2)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-input")


def _key(client: Client) -> str:
    return client.headers["Authorization"].removeprefix("Bearer ")
