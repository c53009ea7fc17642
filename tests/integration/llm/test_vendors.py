"""What is peculiar to one vendor's server; what is common to all is in `tests/contracts/test_sdk_models.py`."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from aigestion.llm.anthropic import AnthropicModel
from aigestion.llm.gemini import GeminiModel
from aigestion.llm.openai import OpenAIModel
from aigestion.llm.port import ChatRequest, Done, Failed, StreamEvent, Turn
from aigestion.llm.sdk_model import SdkModel
from tests.support.fake_dialects import Answer, Status
from tests.support.fake_models import Behaviour, FakeModels, Raw

REQUEST = ChatRequest(call_id=UUID(int=1), system="Be brief.", turns=(Turn("user", "Hello"),))


@pytest.fixture
async def server() -> AsyncIterator[FakeModels]:
    async with FakeModels() as server:
        yield server


async def end_of(model: SdkModel[Any], server: FakeModels, behaviour: Behaviour) -> StreamEvent:
    server.plan(behaviour)
    events = [event async for event in model.stream(REQUEST)]
    await model.close()
    return events[-1]


def chat(server: FakeModels) -> OpenAIModel:
    return OpenAIModel("a-model", api="chat", base_url=server.openai_url)


def raw(*events: dict[str, Any]) -> Raw:
    return Raw("".join(f"data: {json.dumps(event)}\n\n" for event in events).encode())


async def test_an_empty_account_is_not_asked_again(server: FakeModels) -> None:
    openai = await end_of(chat(server), server, Status(429, "insufficient_quota"))
    anthropic = await end_of(
        AnthropicModel("a-model", base_url=server.url), server, Status(402, "billing_error")
    )

    assert isinstance(openai, Failed)
    assert (openai.reason, openai.retryable) == ("rate-limited", False)
    assert isinstance(anthropic, Failed)
    assert (anthropic.retryable, anthropic.message) == (False, "status 402, billing_error")


async def test_openai_fields_nobody_knows_stay_in_the_usage(server: FakeModels) -> None:
    end = await end_of(chat(server), server, Answer())

    assert isinstance(end, Done)
    assert end.usage["a_field_of_its_own"] == "kept"


@pytest.mark.parametrize("lie", ["many", [1], {"x": 1}, 7.5])
async def test_usage_of_another_type_is_no_reason_to_lose_an_answer(
    server: FakeModels, lie: Any
) -> None:
    for model in (chat(server), AnthropicModel("a-model", base_url=server.url)):
        end = await end_of(model, server, Answer(tokens=(lie, lie)))

        assert isinstance(end, Done), (model.provider, end)
        assert (end.input_tokens, end.output_tokens) == (None, None)


@pytest.mark.parametrize("odd", ["\ud800", "x" * 10_000])
async def test_usage_no_event_can_hold_is_left_out(server: FakeModels, odd: str) -> None:
    choice = {"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "note": odd}
    answer = raw({"model": "a-model", "choices": [choice], "usage": usage})
    end = await end_of(chat(server), server, answer)

    assert isinstance(end, Done)
    assert (end.usage, end.input_tokens) == ({}, 11)


async def test_names_that_are_none_are_not_recorded(server: FakeModels) -> None:
    def chunk(**choice: Any) -> dict[str, Any]:
        return {"model": {"not": "a name"}, "choices": [{"index": 0, "delta": {}, **choice}]}

    answer = raw(chunk(delta={"content": "Hi"}), chunk(finish_reason="x" * 500))
    end = await end_of(chat(server), server, answer)

    assert isinstance(end, Done)
    assert (end.returned_model, end.finish_reason) == ("a-model", "unknown")


async def test_anthropics_cache_counts_as_input(server: FakeModels) -> None:
    end = await end_of(AnthropicModel("a-model", base_url=server.url), server, Answer())

    assert isinstance(end, Done)
    assert end.usage == {
        "input_tokens": 6,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 2,
        "output_tokens": 7,
        "a_field_of_its_own": "kept",
    }
    assert end.input_tokens == 11


async def test_gemini_refuses_a_question_before_it_answers(server: FakeModels) -> None:
    blocked = raw({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})
    end = await end_of(GeminiModel("a-model", base_url=server.url), server, blocked)

    assert isinstance(end, Failed)
    assert (end.reason, end.retryable) == ("refused", False)


async def test_gemini_is_asked_once_even_if_it_would_go_on(server: FakeModels) -> None:
    part = {"content": {"parts": [{"text": "Half of"}]}, "finishReason": "CONTINUATION"}
    answer = raw({"candidates": [{**part, "continuationToken": "YWdhaW4="}]})
    end = await end_of(GeminiModel("a-model", base_url=server.url), server, answer)

    assert isinstance(end, Done)
    assert end.finish_reason == "length"
    assert len(server.asked) == 1


async def test_gemini_thoughts_count_as_output(server: FakeModels) -> None:
    end = await end_of(GeminiModel("a-model", base_url=server.url), server, Answer())

    assert isinstance(end, Done)
    assert (end.usage["candidatesTokenCount"], end.output_tokens) == (5, 7)


async def test_gemini_stays_with_the_server_it_was_given(
    server: FakeModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:1")
    end = await end_of(GeminiModel("a-model", base_url=server.url), server, Answer())

    assert isinstance(end, Done)
    assert server.asked[0].path == "/v1/models/a-model:streamGenerateContent?alt=sse"
