"""How the fake model server says a thing in each vendor's wire format, and reads what it is asked."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

MODEL = "fake-1-2026"
Fault = Literal["overloaded", "rate-limited", "refused"]


@dataclass(frozen=True)
class Answer:
    """Says these pieces and ends well, unless told otherwise."""

    pieces: tuple[str, ...] = ("Hello ", "there.")
    finish_reason: str = "stop"
    """`stop`, `length` or `content_filter`, in the vendor's own word."""
    tokens: tuple[Any, Any] | None = (11, 7)
    """What it says it took, in and out; None says nothing."""
    refusal: str | None = None
    cut_after: int | None = None
    """Break the connection after so many pieces."""
    close_after: int | None = None
    """End the stream in good order, but without the end of the answer, after so many pieces."""
    hang_after: int | None = None
    """Fall silent after so many pieces."""
    error_after: int | None = None
    """Report `error` inside the stream after so many pieces."""
    error: Fault = "overloaded"
    hang_at_the_end: bool = False
    """Fall silent after the answer is complete, before the stream is."""
    pings: bool = False
    """Send what means nothing while silent, as proxies do."""


@dataclass(frozen=True)
class Status:
    """Answers with this status and an error object; a code of None is the vendor's usual one."""

    status: int
    code: str | None = None
    retry_after_seconds: float | None = None
    message: str = "something the provider says about: my secret prompt"


@dataclass(frozen=True)
class Frames:
    """An answer, cut into what goes over the wire at once."""

    start: list[bytes]
    pieces: list[bytes]
    end: list[bytes]
    """What comes before the last of them makes the answer complete."""
    error: bytes


@dataclass(frozen=True)
class Question:
    """What was asked, whatever the format."""

    system: str
    roles: list[str]
    last: str
    tokens_max: int


@dataclass(frozen=True)
class Dialect:
    """One wire format. `error` gives the body of an error status."""

    frames: Callable[[Answer], Frames]
    error: Callable[[Status], dict[str, Any]]
    question: Callable[[dict[str, Any]], Question]
    retry_header: bool = True
    """Whether it says in a header how long to wait."""
    ping: bytes = b": ping\n\n"


def dialect_of(path: str) -> Dialect:
    if path.endswith("/chat/completions"):
        return Dialect(_chat, _openai_error, _chat_question)
    if path.endswith("/responses"):
        return Dialect(_responses, _openai_error, _responses_question)
    if path.endswith("/v1/messages"):
        return Dialect(_messages, _messages_error, _messages_question)
    assert ":streamGenerateContent" in path, path
    # Its SDK takes a comment for a broken answer.
    return Dialect(_gemini, _gemini_error, _gemini_question, retry_header=False, ping=b"\n\n")


_OPENAI_FAULTS: dict[Fault, str] = {
    "overloaded": "server_error",
    "rate-limited": "rate_limit_exceeded",
    "refused": "invalid_prompt",
}


def _chat(answer: Answer) -> Frames:
    def data(delta: dict[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return _sse(_chat_chunk(choices=[choice]))

    pieces = [data({"role": "assistant", "content": piece}) for piece in answer.pieces]
    if answer.refusal is not None:
        pieces.append(data({"refusal": answer.refusal}))
    end = [data({}, answer.finish_reason)]
    if usage := _openai_usage(answer, "prompt", "completion"):
        end.append(_sse(_chat_chunk(choices=[], usage=usage)))
    error = {"message": "my secret prompt", "code": _OPENAI_FAULTS[answer.error]}
    return Frames([], pieces, [*end, b"data: [DONE]\n\n"], _sse({"error": error}))


def _chat_chunk(**fields: Any) -> dict[str, Any]:
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, **fields}


def _responses(answer: Answer) -> Frames:
    def event(kind: str, **fields: Any) -> bytes:
        return _sse({"type": kind, "sequence_number": 0, **fields}, kind)

    place = {"item_id": "m1", "output_index": 0, "content_index": 0}
    pieces = [
        event("response.output_text.delta", delta=piece, logprobs=[], **place)
        for piece in answer.pieces
    ]
    if answer.refusal is not None:
        pieces.append(event("response.refusal.delta", delta=answer.refusal, **place))
    whole = {"id": "r1", "object": "response", "model": MODEL, "output": [], "created_at": 1,
             "usage": _openai_usage(answer, "input", "output"), "error": None,
             "incomplete_details": None}  # fmt: skip
    if answer.finish_reason == "stop":
        end = event("response.completed", response=whole)
    else:
        reason = {"length": "max_output_tokens"}.get(answer.finish_reason, answer.finish_reason)
        incomplete = {**whole, "incomplete_details": {"reason": reason}}
        end = event("response.incomplete", response=incomplete)
    error = {"code": _OPENAI_FAULTS[answer.error], "message": "my secret prompt"}
    failed = event("response.failed", response={**whole, "usage": None, "error": error})
    return Frames([], pieces, [end, b"\n\n"], failed)


def _openai_usage(answer: Answer, asked: str, said: str) -> dict[str, Any] | None:
    if answer.tokens is None:
        return None
    tokens_in, tokens_out = answer.tokens
    return {
        f"{asked}_tokens": tokens_in,
        f"{said}_tokens": tokens_out,
        f"{asked}_tokens_details": {"cached_tokens": 3},
        "a_field_of_its_own": "kept",
    }


def _openai_error(status: Status) -> dict[str, Any]:
    error = {"message": status.message, "type": "error", "param": None, "code": status.code}
    return {"error": error}


def _chat_question(body: dict[str, Any]) -> Question:
    system, *messages = body["messages"]
    roles = [message["role"] for message in messages]
    return Question(system["content"], roles, messages[-1]["content"], body["max_tokens"])


def _responses_question(body: dict[str, Any]) -> Question:
    roles = [message["role"] for message in body["input"]]
    last = body["input"][-1]["content"]
    return Question(body["instructions"], roles, last, body["max_output_tokens"])


_MESSAGES_FAULTS: dict[Fault, str] = {
    "overloaded": "overloaded_error",
    "rate-limited": "rate_limit_error",
    "refused": "invalid_request_error",
}
_MESSAGES_REASONS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
_MESSAGES_CODES = {429: "rate_limit_error", 529: "overloaded_error", 402: "billing_error"}


def _messages(answer: Answer) -> Frames:
    def event(kind: str, **fields: Any) -> bytes:
        return _sse({"type": kind, **fields}, kind)

    begun, ended = _messages_usage(answer)
    message = {"id": "m1", "type": "message", "role": "assistant", "model": MODEL, "content": [],
               "stop_reason": None, "stop_sequence": None} | begun  # fmt: skip
    start = [
        event("message_start", message=message),
        event("ping"),
        event("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""}),
        event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "Hm."}),
        event("content_block_stop", index=0),
        event("content_block_start", index=1, content_block={"type": "text", "text": ""}),
    ]
    pieces = [
        event("content_block_delta", index=1, delta={"type": "text_delta", "text": piece})
        for piece in answer.pieces
    ]
    reason = "refusal" if answer.refusal else _MESSAGES_REASONS[answer.finish_reason]
    end = [
        event("content_block_stop", index=1),
        event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, **ended),
        event("message_stop"),
    ]
    error = {"type": _MESSAGES_FAULTS[answer.error], "message": "my secret prompt"}
    return Frames(start, pieces, end, event("error", error=error))


def _messages_usage(answer: Answer) -> tuple[dict[str, Any], dict[str, Any]]:
    """As known at the beginning and at the end; cached tokens come on top of its `input_tokens`."""
    if answer.tokens is None:
        return {}, {}
    tokens_in, tokens_out = answer.tokens
    begun = {
        "input_tokens": tokens_in - 5 if isinstance(tokens_in, int) else tokens_in,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 2,
        "output_tokens": 1,
    }
    ended = {"output_tokens": tokens_out, "input_tokens": None, "a_field_of_its_own": "kept"}
    return {"usage": begun}, {"usage": ended}


def _messages_error(status: Status) -> dict[str, Any]:
    kind = status.code or _MESSAGES_CODES.get(status.status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": status.message}}


def _messages_question(body: dict[str, Any]) -> Question:
    roles = [message["role"] for message in body["messages"]]
    return Question(body["system"], roles, body["messages"][-1]["content"], body["max_tokens"])


_GEMINI_FAULTS: dict[Fault, int] = {"overloaded": 503, "rate-limited": 429, "refused": 400}
_GEMINI_REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
_GEMINI_CODES = {400: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}


def _gemini(answer: Answer) -> Frames:
    def chunk(*parts: dict[str, Any], **fields: Any) -> bytes:
        candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0, **fields}
        usage = _gemini_usage(answer)
        return _sse({"candidates": [candidate], "modelVersion": MODEL, "responseId": "r1", **usage})

    start = [chunk({"text": "Hm.", "thought": True})]
    pieces = [chunk({"text": piece}) for piece in answer.pieces]
    reason = "SAFETY" if answer.refusal else _GEMINI_REASONS[answer.finish_reason]
    status = Status(_GEMINI_FAULTS[answer.error], message="my secret prompt")
    end = [chunk({"text": ""}, finishReason=reason), b"\n\n"]
    return Frames(start, pieces, end, _sse(_gemini_error(status)))


def _gemini_usage(answer: Answer) -> dict[str, Any]:
    if answer.tokens is None:
        return {}
    tokens_in, tokens_out = answer.tokens
    return {
        "usageMetadata": {
            "promptTokenCount": tokens_in,
            "cachedContentTokenCount": 3,
            "candidatesTokenCount": tokens_out - 2,
            "thoughtsTokenCount": 2,
        }
    }


def _gemini_error(status: Status) -> dict[str, Any]:
    error: dict[str, Any] = {
        "code": status.status,
        "message": status.message,
        "status": status.code or _GEMINI_CODES.get(status.status, "UNKNOWN"),
    }
    if status.retry_after_seconds is not None:
        kind = "type.googleapis.com/google.rpc.RetryInfo"
        error["details"] = [{"@type": kind, "retryDelay": f"{status.retry_after_seconds}s"}]
    return {"error": error}


def _gemini_question(body: dict[str, Any]) -> Question:
    roles = [{"model": "assistant"}.get(turn["role"], turn["role"]) for turn in body["contents"]]
    [system], [last] = body["systemInstruction"]["parts"], body["contents"][-1]["parts"]
    tokens_max = body["generationConfig"]["maxOutputTokens"]
    return Question(system["text"], roles, last["text"], tokens_max)


def _sse(data: dict[str, Any], event: str | None = None) -> bytes:
    named = f"event: {event}\n" if event else ""
    return f"{named}data: {json.dumps(data)}\n\n".encode()
