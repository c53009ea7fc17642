"""What each fault of a server means to the caller: a reason, and whether asking again may help."""

from collections.abc import Mapping
from types import ModuleType

from aigestion.llm.port import Failed
from aigestion.llm.wire import StatusFault, StreamFault

_OUT_OF_MONEY = {"insufficient_quota", "billing_hard_limit_reached", "billing_error"}
_RATE_LIMITED = {"rate_limit_exceeded", "rate_limit_error"}
_REFUSED_MIDWAY = {
    "invalid_prompt",
    "invalid_request_error",
    "bio_policy",
    "misalignment_policy_violation",
    "content_filter",
}


def failed(fault: Exception, *, started: bool) -> Failed:
    """The fault as the port names it. `started`: text had come before it.

    Only codes and numbers go into the message: a provider's own words may repeat the prompt or the key.
    """
    import httpx2

    match fault:
        case TimeoutError():
            return Failed("timeout", "the answer took longer than it may", retryable=True)
        case httpx2.ConnectTimeout():
            return Failed("unreachable", "no connection to the server in time", retryable=True)
        case httpx2.TimeoutException():
            return Failed("timeout", "the server fell silent", retryable=True)
        case httpx2.TransportError() if started:
            return Failed("cut-off", "the connection broke during the answer", retryable=True)
        case httpx2.TransportError():
            return Failed("unreachable", "no connection to the server", retryable=True)
        case StatusFault():
            return _status_failed(fault)
        case StreamFault():
            return _code_failed(_safe(fault.code))
        case _:
            kind = type(fault).__name__
            return Failed("garbage", f"the server's answer cannot be read ({kind})", retryable=True)


def unwrapped(sdk: ModuleType, fault: Exception, code: str | None) -> Exception:
    """For the SDKs of OpenAI and Anthropic, which share a family of exceptions."""
    match fault:
        case sdk.APIConnectionError(__cause__=Exception() as cause):
            return cause
        case sdk.APIStatusError(response=response) if response.is_error:
            return StatusFault(response.status_code, code, retry_after(response.headers))
        case sdk.APIError() if not isinstance(fault, sdk.APIResponseValidationError):
            return StreamFault(code)
        case _:
            return fault


def retry_after(headers: Mapping[str, str]) -> float | None:
    """How many seconds a server asks to be left alone."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit)
        except (KeyError, ValueError):
            continue  # Absent, or a date: our own back-off will do.
    return None


def _status_failed(fault: StatusFault) -> Failed:
    status, code, wait = fault.status, _safe(fault.code), fault.retry_after_seconds
    message = f"status {status}" + (f", {code}" if code else "")
    if status == 429:
        # An empty account answers 429 too, and does not fill by asking again.
        return Failed("rate-limited", message, code not in _OUT_OF_MONEY, wait)
    if status in (408, 504):
        return Failed("timeout", message, True, wait)
    if status == 409 or status >= 500:
        return Failed("overloaded", message, True, wait)
    return Failed("refused", message, retryable=False)


def _code_failed(code: str | None) -> Failed:
    message = f"the server reported an error ({code or 'without a code'})"
    if code in _OUT_OF_MONEY:
        return Failed("rate-limited", message, retryable=False)
    if code in _RATE_LIMITED:
        return Failed("rate-limited", message, retryable=True)
    if code in _REFUSED_MIDWAY:
        return Failed("refused", message, retryable=False)
    return Failed("overloaded", message, retryable=True)


def _safe(code: object) -> str | None:
    """A code, if it looks like one and not like prose."""
    if not isinstance(code, str) or len(code) > 60:
        return None
    return code if code.replace("_", "").replace("-", "").isalnum() else None
