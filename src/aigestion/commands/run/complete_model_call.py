"""Use case: the model answered, and the agent replies. One append, so neither stands alone."""

from uuid import UUID

import msgspec

from aigestion.commands.run.state import INITIAL, Run, boundary, evolve
from aigestion.events.conversation import AgentReplied
from aigestion.events.run import ModelCompleted
from aigestion.kernel.decider import UseCase


class CompleteModelCall(msgspec.Struct, frozen=True):
    completed: ModelCompleted
    reply: AgentReplied

    @property
    def run_id(self) -> UUID:
        return self.completed.run_id


def decide(command: CompleteModelCall, state: Run) -> list[ModelCompleted | AgentReplied]:
    if state.open_call is None or state.open_call.call_id != command.completed.call_id:
        return []
    return [command.completed, command.reply]


complete_model_call = UseCase(
    CompleteModelCall, lambda command: boundary(command.run_id), INITIAL, evolve, decide
)
