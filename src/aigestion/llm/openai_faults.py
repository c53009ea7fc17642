"""What each fault of a server means to the caller: a reason, and whether asking again may help."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aigestion.llm.openai_streams import StreamFault
from aigestion.llm.port import Failed

if TYPE_CHECKING:
    from openai import APIStatusError

_OUT_OF_MONEY = {"insufficient_quota", "billing_hard_limit_reached"}
_RATE_LIMITED = {"rate_limit_exceeded", "rate_limit_error"}
_OVERLOADED = {"server_error", "overloaded_error", "service_unavailable", "internal_error"}
_REFUSED_MIDWAY = {
    "invalid_prompt",
    "bio_policy",
    "misalignment_policy_violation",
    "content_filter",
}


def failed(fault: Exception, *, started: bool) -> Failed:
    """The fault as the port names it. `started`: text had come before it.

    Only codes and numbers go into the message: a provider's own words may repeat the prompt or the key.
    """
    import openai

    match fault:
        case TimeoutError():
            return Failed("timeout", "the answer took longer than it may", retryable=True)
        case openai.APITimeoutError():
            return Failed("timeout", "the server fell silent", retryable=True)
        case openai.APIConnectionError() if started:
            return Failed("cut-off", "the connection broke during the answer", retryable=True)
        case openai.APIConnectionError():
            return Failed("unreachable", "no connection to the server", retryable=True)
        case openai.APIStatusError():
            return _status_failed(fault)
        case openai.APIResponseValidationError():
            return Failed("garbage", "the server's answer has no known shape", retryable=True)
        case StreamFault() | openai.APIError():
            return _code_failed(fault.code)
        case _:
            kind = type(fault).__name__
            return Failed("garbage", f"the server's answer cannot be read ({kind})", retryable=True)


def _status_failed(fault: "APIStatusError") -> Failed:
    status, code = fault.status_code, _safe(fault.code)
    message = f"status {status}" + (f", {code}" if code else "")
    wait = _retry_after(fault.response.headers)
    if status == 429:
        # An empty account answers 429 too, and does not fill by asking again.
        return Failed("rate-limited", message, code not in _OUT_OF_MONEY, wait)
    if status == 408:
        return Failed("timeout", message, True, wait)
    if status == 409 or status >= 500:
        return Failed("overloaded", message, True, wait)
    return Failed("refused", message, retryable=False)


def _code_failed(code: str | None) -> Failed:
    message = f"the server reported an error ({_safe(code) or 'without a code'})"
    if code in _OUT_OF_MONEY:
        return Failed("rate-limited", message, retryable=False)
    if code in _RATE_LIMITED:
        return Failed("rate-limited", message, retryable=True)
    if code in _REFUSED_MIDWAY:
        return Failed("refused", message, retryable=False)
    return Failed("overloaded", message, retryable=True)


def _safe(code: str | None) -> str | None:
    """A code, if it looks like one and not like prose."""
    return (
        code
        if code and len(code) <= 60 and code.replace("_", "").replace("-", "").isalnum()
        else None
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit)
        except (KeyError, ValueError):
            continue  # Absent, or a date: our own back-off will do.
    return None
