"""What the doctor finds: a part, its state, and what to do about it."""

from typing import Literal

import msgspec

State = Literal["ok", "warn", "fail"]


class Symptom(msgspec.Struct, frozen=True):
    """One line of the doctor's report."""

    state: State
    part: str
    found: str
    remedy: str | None = None


def ok(part: str, found: str) -> Symptom:
    return Symptom("ok", part, found)


def warn(part: str, found: str, remedy: str) -> Symptom:
    return Symptom("warn", part, found, remedy)


def fail(part: str, found: str, remedy: str) -> Symptom:
    return Symptom("fail", part, found, remedy)
