"""The whole story on one running program: ask, hear, search, count, fold, verify."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import nats
import pytest

from tests.support.program import Program
from tests.support.tasks import WAIT_SECONDS_MAX, soon

CANARY = "xylophonquartz"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """With the documents that a user finds there."""
    with Program(tmp_path_factory.mktemp("spine") / "data") as running:
        running.start(documents=None)
        yield running
        running.stop()


def start_conversation(program: Program, text: str) -> tuple[str, int]:
    status, started = program.http("POST", "/v1/conversations", {"title": "A test"})
    assert status == 201
    conversation = started["conversation_id"]
    status, posted = program.http(
        "POST",
        f"/v1/conversations/{conversation}/interactions",
        {"type": "user.chat", "payload": {"text": text}},
    )
    assert status == 202
    return conversation, posted["position"]


def test_ask_answers_from_the_documents_with_sources(program: Program) -> None:
    asked = program.cli("ask", "what is a dense position?")

    assert asked.returncode == 0, asked.stderr
    assert "[1]" in asked.stdout
    assert "without holes" in asked.stdout
    assert "dense positions, passage" in asked.stdout


def test_a_subscriber_sees_the_event_with_cloudevents_headers(program: Program) -> None:
    doors = program.connect()

    async def listen() -> Any:
        broker = await nats.connect(
            doors["nats_url"], user=doors["nats_user"], password=doors["nats_password"]
        )
        subscription = await broker.subscribe("events.demo.user.*")
        await broker.flush()
        _, position = await asyncio.to_thread(start_conversation, program, "Can you hear me?")
        while True:
            message = await subscription.next_msg(timeout=WAIT_SECONDS_MAX)
            if message.headers["ce-position"] == str(position):
                await broker.close()
                return message

    message = asyncio.run(listen())

    assert message.subject == "events.demo.user.chat"
    assert message.headers["ce-specversion"] == "1.0"
    assert message.headers["ce-type"] == "user.chat"
    assert json.loads(message.data)["text"] == "Can you hear me?"


def test_what_was_said_is_found_counted_and_folded(program: Program) -> None:
    conversation, position = start_conversation(program, f"Tell me about the {CANARY} please")

    status, found = program.http("GET", f"/v1/search?q={CANARY}&min_position={position}")
    assert status == 200
    assert f"<mark>{CANARY}</mark>" in found["items"][0]["highlight"]

    status, usage = program.http(
        "GET",
        f"/v1/analytics/usage?by=day&min_position={position}",
    )
    assert status == 200
    assert sum(point["messages"] for point in usage["items"]) >= 1

    folded = program.cli("replay", conversation)
    assert folded.returncode == 0, folded.stderr
    assert CANARY in folded.stdout


def test_a_conversation_is_asked_again_renamed_and_archived(program: Program) -> None:
    conversation, position = start_conversation(program, "How does the relay work?")
    path = f"/v1/conversations/{conversation}"

    def replies(count: int) -> Any:
        _, transcript = program.http("GET", f"{path}?min_position={position}")
        found = [one for one in transcript["messages"] if one["role"] == "assistant"]
        return found if len(found) == count else None

    (first,) = soon(lambda: replies(1))
    status, _ = program.http("POST", f"{path}/interactions/{first['in_reply_to']}/retry", {})
    assert status == 202
    former, latest = soon(lambda: replies(2))
    status, changed = program.http("PATCH", path, {"title": "The relay", "archived": True})
    assert status == 200
    now = f"min_position={changed['position']}"
    _, archived = program.http("GET", f"/v1/conversations?state=archived&{now}")
    _, runs = program.http("GET", f"/v1/runs?conversation_id={conversation}&state=replied&{now}")

    assert (former["replaced"], latest["replaced"]) == (True, False)
    assert former["in_reply_to"] == latest["in_reply_to"]
    assert [one["title"] for one in archived["items"]] == ["The relay"]
    assert [one["run_id"] for one in runs["items"]] == [latest["run_id"], former["run_id"]]


def test_the_log_holds_none_of_a_messages_words(program: Program) -> None:
    start_conversation(program, f"My secret is {CANARY}")
    doors = program.connect()

    async def dump() -> bytes:
        connection = await asyncpg.connect(doors["postgres_dsn"])
        rows = [
            repr(tuple(row)).encode() + b"".join(v for v in row if isinstance(v, bytes))
            for table in ("log.events", "log.tags", "log.blobs")
            for row in await connection.fetch(f"SELECT * FROM {table}")
        ]
        await connection.close()
        return b"".join(rows)

    stored = asyncio.run(dump())

    assert b"user.chat" in stored
    assert CANARY.encode() not in stored


def test_the_log_cannot_be_changed_through_the_door_scripts_get(program: Program) -> None:
    doors = program.connect()

    async def tamper() -> str:
        connection = await asyncpg.connect(doors["postgres_dsn"])
        try:
            await connection.execute("UPDATE log.events SET data = '\\x00'")
        except asyncpg.InsufficientPrivilegeError as error:
            return str(error)
        finally:
            await connection.close()
        return "changed"

    assert "permission denied" in asyncio.run(tamper())


def test_the_answer_arrives_and_the_audit_is_clean(program: Program) -> None:
    conversation, position = start_conversation(program, "How does the relay work?")

    def reply() -> Any:
        _, transcript = program.http(
            "GET", f"/v1/conversations/{conversation}?min_position={position}"
        )
        return [m for m in transcript["messages"] if m["role"] == "assistant"]

    (answer,) = soon(reply)
    verified = program.cli("audit", "verify")

    assert answer["citations"]
    assert verified.returncode == 0, verified.stdout + verified.stderr
