"""The plug is pulled while a model is speaking: the run ends once, and the log says what is not known."""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.support.fake_models import FakeModels, says
from tests.support.program import Program
from tests.support.tasks import eventually


async def until(condition: Callable[[], Any]) -> Any:
    return await eventually(lambda: asyncio.to_thread(condition))


async def test_a_plug_pulled_mid_answer_ends_the_run_once(own_program: Program) -> None:
    async with FakeModels() as model:
        model.plan(says("The first ", "half", hang_after=2), says("A whole ", "answer."))
        program = own_program
        program.environment |= {
            "AIGESTION_MODELS__PROVIDER": "openai",
            "AIGESTION_OPENAI__BASE_URL": model.openai_url,
            "AIGESTION_OPENAI__API": "chat",
            "AIGESTION_OPENAI__MODEL": "fake",
        }
        await asyncio.to_thread(program.start)
        _, started = await asyncio.to_thread(program.http, "POST", "/v1/conversations", {})
        conversation = started["conversation_id"]
        await asyncio.to_thread(
            program.http,
            "POST",
            f"/v1/conversations/{conversation}/interactions",
            {"type": "user.chat", "payload": {"text": "Tell me something long."}},
        )
        await until(lambda: len(model.asked) == 1)

        await asyncio.to_thread(program.pull_the_plug)
        await asyncio.to_thread(program.start)

        def events(kind: str) -> list[Any]:
            _, feed = program.http("GET", f"/v1/events?tag=conversation:{conversation}&limit=200")
            return [event for event in feed["items"] if event["type"] == kind]

        await until(lambda: events("agent.replied"))
        await asyncio.sleep(1)  # a second end would come now
        replies = await asyncio.to_thread(events, "agent.replied")
        failures = await asyncio.to_thread(events, "model.failed")
        verified = await asyncio.to_thread(program.cli, "audit", "verify")
        await asyncio.to_thread(program.stop)

    assert [reply["data"]["text"] for reply in replies] == ["A whole answer."]
    assert [failure["data"]["reason"] for failure in failures] == ["unknown"]
    assert len(model.asked) == 2
    assert verified.returncode == 0, verified.stdout + verified.stderr


async def test_a_reply_that_is_stopped_keeps_what_was_said(own_program: Program) -> None:
    async with FakeModels() as model:
        model.plan(says("The first ", "half", hang_after=2))
        program = own_program
        program.environment |= {
            "AIGESTION_MODELS__PROVIDER": "openai",
            "AIGESTION_OPENAI__BASE_URL": model.openai_url,
            "AIGESTION_OPENAI__API": "chat",
            "AIGESTION_OPENAI__MODEL": "fake",
        }
        await asyncio.to_thread(program.start)
        _, started = await asyncio.to_thread(program.http, "POST", "/v1/conversations", {})
        conversation = f"/v1/conversations/{started['conversation_id']}"
        said = {"type": "user.chat", "payload": {"text": "Tell me something long."}}
        await asyncio.to_thread(program.http, "POST", f"{conversation}/interactions", said)
        await until(lambda: len(model.asked) == 1)
        await asyncio.sleep(0.5)  # both pieces have come
        [run] = await until(lambda: program.http("GET", "/v1/runs?state=started")[1]["items"])

        status, _ = await asyncio.to_thread(
            program.http, "POST", f"/v1/runs/{run['run_id']}/cancel", {}
        )
        [stopped] = await until(lambda: program.http("GET", "/v1/runs?state=cancelled")[1]["items"])
        _, transcript = await asyncio.to_thread(
            program.http, "GET", f"{conversation}?min_position={stopped['position']}"
        )
        _, shown = await asyncio.to_thread(program.http, "GET", f"/v1/runs/{run['run_id']}")
        verified = await asyncio.to_thread(program.cli, "audit", "verify")
        await asyncio.to_thread(program.stop)

    assert (status, stopped["run_id"]) == (202, run["run_id"])
    reply = transcript["messages"][-1]
    assert (reply["state"], reply["text"]) == ("cancelled", "The first half")
    [call] = shown["calls"]
    assert (call["state"], call["reason"]) == ("failed", "cancelled")
    assert len(model.asked) == 1
    assert verified.returncode == 0, verified.stdout + verified.stderr
