"""Each role as a process of its own: leaders and standbys, engines that go away, what is refused."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx2
import pytest

from tests.support.cluster import Cluster, Role, cluster
from tests.support.sockets import opened
from tests.support.tasks import soon
from tests.support.valkey import StoppableValkey


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("production")) as made:
        yield made


@pytest.fixture(scope="module")
def house(production: Cluster) -> "House":
    """One of each, and a caller."""
    return House(production)


class House:
    def __init__(self, production: Cluster) -> None:
        self.production = production
        self.api, self.project, self.agents, *self.relays = production.started(
            "api", "project", "agents", "relay", "relay"
        )
        key = production.tenant("acme")
        headers = {"Authorization": f"Bearer {key}"}
        self.http = httpx2.Client(base_url=self.api.url, headers=headers, timeout=120)
        soon(lambda: self.http.get("/v1/conversations").status_code == 200)

    def say(self, text: str) -> tuple[str, int]:
        """(conversation, position) of a new question."""
        started = self.http.post("/v1/conversations", json={})
        assert started.status_code == 201, started.text
        conversation = started.json()["conversation_id"]
        said = self.http.post(
            f"/v1/conversations/{conversation}/interactions",
            json={"type": "user.chat", "payload": {"text": text}},
        )
        assert said.status_code in (201, 202), said.text
        return conversation, int(said.headers["aigestion-position"])

    def replied(self, conversation: str) -> bool:
        found = self.http.get(f"/v1/conversations/{conversation}")
        return found.status_code == 200 and any(
            one["role"] == "assistant" and one["state"] == "final"
            for one in found.json()["messages"]
        )


def test_a_question_goes_through_every_role_and_comes_back_answered(house: House) -> None:
    conversation, position = house.say("What is dense?")

    soon(lambda: house.replied(conversation))

    soon(lambda: (house.project.metric('projection_position{projection="search"}') or 0) > position)
    usage = house.http.get(f"/v1/analytics/usage?by=month&min_position={position}").json()
    assert usage["items"][0]["messages"] >= 1
    found = house.http.get(f"/v1/search?q=dense&min_position={position}").json()
    assert found["items"][0]["conversation_id"] == conversation


def test_a_reply_streams_from_the_process_of_the_agents(house: House) -> None:
    conversation, _ = house.say("What streams?")
    kinds: list[str] = []

    with house.http.stream("GET", f"/v1/conversations/{conversation}/stream") as stream:
        for line in stream.iter_lines():
            if line.startswith("event: "):
                kinds.append(line.removeprefix("event: "))
            if "agent.replied" in kinds:
                break

    assert kinds[:2] == ["conversation.started", "user.chat"]
    assert kinds[-1] == "agent.replied"


def test_a_socket_goes_on_behind_its_position_on_another_process(house: House) -> None:
    (other,) = house.production.started("api")
    conversation = house.http.post("/v1/conversations", json={}).json()["conversation_id"]
    key = house.http.headers["Authorization"].removeprefix("Bearer ")

    async def ask_twice() -> tuple[list[int], list[str]]:
        seen: list[int] = []
        kinds: list[str] = []
        for role, last, count in ((house.api, "run.started", 1), (other, "agent.replied", 2)):
            port = int(role.url.rpartition(":")[2])
            after = f"?after={seen[-1] if seen else 0}"
            async with opened(port, conversation, key, after) as socket:
                await socket.send(type="user.chat", payload={"text": "What streams?"})
                while kinds.count(last) < count:
                    frame = await socket.hear()
                    if "position" in frame and frame["event"] != "accepted":
                        seen.append(frame["position"])
                        kinds.append(frame["event"])
        return seen, kinds

    seen, kinds = asyncio.run(ask_twice())

    recorded = house.http.get(f"/v1/events?tag=conversation:{conversation}").json()["items"]
    shown = [one for one in recorded if one["type"] in kinds]
    assert seen == [one["position"] for one in shown]
    assert kinds == [one["type"] for one in shown]
    assert kinds.count("user.chat") == 2
    assert other.terminate() == 0


def test_every_role_tells_its_health_and_how_far_it_is_behind(house: House) -> None:
    _, position = house.say("How far are you?")

    for role in (house.api, house.project, house.agents, *house.relays):
        status, text = role.get("/health/ready")
        assert (status, json.loads(text)["status"]) == (200, "ready")
        soon(lambda role=role: (role.metric("eventlog_head_position") or 0) >= position)
    for role in (house.api, house.project, house.agents):
        soon(lambda role=role: role.metric('projection_lag_events{projection="runs"}') == 0)
        assert role.metric('projection_lag_seconds{projection="runs"}') == 0
        assert role.metric('projection_stalled{projection="runs"}') == 0
    leader = next(relay for relay in house.relays if relay.metric("relay_is_leader"))
    soon(lambda: leader.metric("relay_lag_events") == 0)


@pytest.mark.parametrize("role", ["relay", "project", "agents"])
def test_a_second_process_takes_over_from_one_that_is_killed(house: House, role: str) -> None:
    first = _leader(house, role)
    if role != "relay":
        house.production.started(role)

    first.kill()
    conversation, _ = house.say("Is anybody there?")

    soon(lambda: house.replied(conversation))
    first.start()
    first.wait_ready()


def _leader(house: House, role: str) -> Role:
    if role == "relay":
        return next(relay for relay in house.relays if relay.metric("relay_is_leader"))
    found: Role = getattr(house, role)
    return found


@pytest.mark.parametrize(
    ("engine", "path"),
    [("clickhouse", "/v1/analytics/usage"), ("qdrant", None), ("nats", None)],
)
def test_an_engine_that_goes_away_is_named_and_missed_by_reads_only(
    house: House, engine: str, path: str | None
) -> None:
    house.production.engines[engine].kill()
    try:
        if path is not None:
            refused = house.http.get(path)
            assert refused.status_code == 503, refused.text
            assert refused.json()["engine"] == engine
            assert refused.json()["code"] == "engine-unavailable"
            assert "retry-after" in refused.headers
        soon(lambda: json.loads(house.api.get("/health/ready")[1])["missing"] == [engine])
        assert house.api.get("/health/ready")[0] == 200
        conversation, position = house.say("Do writes go on?")
        assert house.http.get("/v1/conversations").status_code == 200
    finally:
        house.production.engines[engine].start()

    soon(lambda: house.replied(conversation))
    soon(lambda: json.loads(house.api.get("/health/ready")[1])["status"] == "ready")
    if path is not None:
        soon(lambda: house.http.get(f"{path}?min_position={position}").status_code == 200)


def test_roles_that_stop_end_well(house: House) -> None:
    for role in (house.agents, house.project, *house.relays, house.api):
        assert role.terminate() == 0, role.said()
        role.start()
    for role in (house.agents, house.project, *house.relays, house.api):
        role.wait_ready()


@pytest.mark.parametrize("name", ["api", "relay", "project", "agents"])
def test_a_role_without_servers_names_what_is_missing_in_one_line(
    production: Cluster, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = {k: v for k, v in production.environment.items() if not k.startswith("AIGESTION_")}
    monkeypatch.setattr(production, "environment", bare)

    refused = production.cli(name)

    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith("error: ")
    for variable in ("POSTGRES_URL", "NATS_URL", "LOG__MASTER_KEY_FILE"):
        assert f"AIGESTION_{variable}" in line
    assert ("AIGESTION_QDRANT_URL" in line) == (name != "relay")


def test_a_read_model_that_there_is_none_of_is_refused(production: Cluster) -> None:
    refused = production.cli("project", "nonsense")

    assert refused.returncode == 1
    assert "nonsense" in refused.stderr
    assert "conversations" in refused.stderr


def test_the_log_is_whole_after_all_that(house: House) -> None:
    async def head() -> int:
        log = await asyncpg.connect(house.production.environment["AIGESTION_POSTGRES_OWNER_URL"])
        try:
            return int(await log.fetchval("SELECT position FROM log.head"))
        finally:
            await log.close()

    end = asyncio.run(head())
    soon(lambda: (house.project.metric('projection_position{projection="activity"}') or 0) >= end)
    verified = house.production.cli("audit", "verify", "--json")

    assert verified.returncode == 0, verified.stdout + verified.stderr
    checked = {one["check"]: one["checked"] for one in json.loads(verified.stdout)["findings"]}
    assert checked["checkpoints"] > 0


def test_secrets_stay_out_of_what_roles_say(house: House) -> None:
    said = "".join(Path(role.log).read_text() for role in house.production.roles)

    for secret in ("app-password", "relay-password", ":runtime@"):
        assert secret not in said


def test_limits_are_shared_by_processes_and_close_what_is_dear_without_their_store(
    house: House, own_valkey: StoppableValkey
) -> None:
    limits = {
        "AIGESTION_VALKEY_URL": own_valkey.url,
        "AIGESTION_LIMITS__ENABLED": "true",
        "AIGESTION_LIMITS__EXPENSIVE_PER_MINUTE": "3",
    }
    apis = house.production.started("api", "api", **limits)
    clients = [
        httpx2.Client(base_url=api.url, headers=house.http.headers, timeout=120) for api in apis
    ]
    conversation, _ = house.say("Who counts?")
    said = f"/v1/conversations/{conversation}/interactions", {
        "type": "user.action", "payload": {"name": "clicked", "properties": {}},
    }  # fmt: skip

    answers = [clients[n % 2].post(said[0], json=said[1]) for n in range(4)]

    assert [one.status_code for one in answers] == [202, 202, 202, 429]
    assert answers[3].json()["code"] == "rate-limited"
    assert int(answers[3].headers["retry-after"]) > 0
    own_valkey.stop()
    refused = clients[0].post(said[0], json=said[1])
    assert (refused.status_code, refused.json()["engine"]) == (503, "valkey")
    assert clients[0].get("/v1/conversations").status_code == 200
    assert json.loads(apis[0].get("/health/ready")[1])["status"] == "degraded"
    own_valkey.start()
    soon(lambda: clients[0].post(said[0], json=said[1]).status_code in (202, 429))
    for api in apis:
        assert api.terminate() == 0
