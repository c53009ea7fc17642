"""The whole program with a vendor's model: from settings and a question to the log and the analytics."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_dialects import MODEL
from tests.support.fake_models import FakeModels, says
from tests.support.program import Program

KEY = "sk-of-a-secret-file"


@pytest.mark.parametrize("vendor", ["anthropic", "gemini"])
async def test_an_answer_of_a_vendors_model_is_in_the_log(
    own_program: Program, tmp_path: Path, vendor: str
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / f"aigestion_{vendor}__api_key").write_text(KEY)
    async with FakeModels() as server:
        server.plan(says("A whole ", "answer."))
        own_program.environment |= {
            "AIGESTION_SECRETS_DIR": str(secrets),
            "AIGESTION_MODELS__PROVIDER": vendor,
            f"AIGESTION_{vendor.upper()}__BASE_URL": server.url,
            f"AIGESTION_{vendor.upper()}__MODEL": "a-model",
            "AIGESTION_MODELS__ALSO": json.dumps([f"{vendor}/another-model"]),
        }
        await asyncio.to_thread(own_program.start)
        asked = await asyncio.to_thread(own_program.cli, "ask", "Are they dense?")
        events = await asyncio.to_thread(_model_events, own_program)
        server.plan(says("Another answer."))
        named = await asyncio.to_thread(_name, own_program, f"{vendor}/another-model")
        await asyncio.to_thread(own_program.cli, "ask", "Are they dense, says another?")
        later = await asyncio.to_thread(_model_events, own_program)
        unknown = await asyncio.to_thread(_name, own_program, f"{vendor}/no-model")
        await asyncio.to_thread(own_program.stop)

    assert "A whole answer." in asked.stdout, asked.stdout + asked.stderr
    requested, completed = events["model.requested"], events["model.completed"]
    assert (requested["provider"], requested["model"]) == (vendor, "a-model")
    assert (completed["provider"], completed["requested_model"]) == (vendor, "a-model")
    assert completed["returned_model"] == MODEL
    assert (completed["input_tokens"], completed["output_tokens"]) == (11, 7)
    assert KEY in str(server.asked[0].headers)
    assert named[0] == 200, named
    assert later["model.requested"]["model"] == "another-model"
    assert unknown[0] == 422
    assert f"{vendor}/a-model, {vendor}/another-model" in str(unknown[1])


def _name(program: Program, model: str) -> tuple[int, Any]:
    wanted = {"description": "Answers.", "instructions": "Answer.", "model": model}
    return program.http("PUT", "/v1/agents/assistant", wanted)


def _model_events(program: Program) -> dict[str, Any]:
    _, feed = program.http("GET", "/v1/events?limit=200")
    return {event["type"]: event["data"] for event in feed["items"]}
