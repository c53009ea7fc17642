"""Use case: a run is about to ask a model; only after this is recorded may it call out."""

from typing import Any
from uuid import UUID

import msgspec

from aigestion.commands.run.state import INITIAL, Run, boundary, evolve
from aigestion.events.run import ModelRequested
from aigestion.kernel.decider import UseCase
from aigestion.kernel.errors import Refused


class RequestModel(msgspec.Struct, frozen=True, kw_only=True):
    run_id: UUID
    call_id: UUID
    attempt: int
    provider: str
    model: str
    parameters: dict[str, Any]
    manifest: tuple[str, ...]


def decide(command: RequestModel, state: Run) -> list[ModelRequested]:
    if state.status != "started":
        raise Refused("Only a run that has started and not ended may ask a model.")
    if state.open_call is not None:
        raise Refused("The run has a model call open; its end must be recorded first.")
    if command.attempt <= state.attempts:
        raise Refused("This attempt was made already; somebody else is at work on the run.")
    return [
        ModelRequested(
            run_id=command.run_id,
            call_id=command.call_id,
            attempt=command.attempt,
            provider=command.provider,
            model=command.model,
            parameters=command.parameters,
            manifest=command.manifest,
        )
    ]


request_model = UseCase(
    RequestModel, lambda command: boundary(command.run_id), INITIAL, evolve, decide
)
