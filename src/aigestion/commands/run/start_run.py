"""Use case: an agent takes up an event it heard."""

from uuid import UUID

import msgspec

from aigestion.commands.run.state import INITIAL, Run, boundary, evolve
from aigestion.events.run import RunStarted
from aigestion.kernel.decider import UseCase


class StartRun(msgspec.Struct, frozen=True, kw_only=True):
    """`run_id` is derived from the event and the agent, so hearing it again changes nothing."""

    run_id: UUID
    conversation_id: UUID
    agent: str
    in_reply_to: UUID
    agent_version: int = 0


def decide(command: StartRun, state: Run) -> list[RunStarted]:
    if state.status != "absent":
        return []
    return [
        RunStarted(
            run_id=command.run_id,
            conversation_id=command.conversation_id,
            agent=command.agent,
            in_reply_to=command.in_reply_to,
            agent_version=command.agent_version,
        )
    ]


start_run = UseCase(StartRun, lambda command: boundary(command.run_id), INITIAL, evolve, decide)
