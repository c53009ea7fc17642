"""Use case: an agent that runs elsewhere replies, or says that it cannot. One append for the whole run."""

from uuid import UUID

import msgspec

from aigestion.commands.run.state import INITIAL, Run, boundary, evolve
from aigestion.events.conversation import AgentReplied
from aigestion.events.event import Event
from aigestion.events.run import (
    ModelCompleted,
    ModelRequested,
    RunCancelled,
    RunFailed,
    RunStarted,
)
from aigestion.kernel.decider import UseCase
from aigestion.kernel.errors import Refused, RunHasEnded


class ModelAnswered(msgspec.Struct, frozen=True):
    """A model call the agent has made, as it tells of it afterwards."""

    requested: ModelRequested
    completed: ModelCompleted


class AnswerFromElsewhere(msgspec.Struct, frozen=True):
    end: AgentReplied | RunFailed
    call: ModelAnswered | None = None

    @property
    def run_id(self) -> UUID:
        return self.end.run_id


def decide(command: AnswerFromElsewhere, state: Run) -> list[Event]:
    """A run that somebody stopped ends as stopped, whatever the agent has to say."""
    if state.ended:
        raise RunHasEnded(f"The run has ended already: it is {state.status}.")
    if state.open_call is not None:
        raise Refused("An agent of this program is at work on it.")
    end = command.end
    told: list[Event] = []
    if state.status == "absent":
        told.append(
            RunStarted(
                run_id=end.run_id,
                conversation_id=end.conversation_id,
                agent=end.agent,
                in_reply_to=end.in_reply_to,
            )
        )
    if command.call is not None:
        told += [command.call.requested, command.call.completed]
    if not state.cancel_requested:
        return [*told, end]
    cancelled = RunCancelled(
        run_id=end.run_id,
        conversation_id=end.conversation_id,
        user_id=end.user_id,
        agent=end.agent,
        in_reply_to=end.in_reply_to,
    )
    return [*told, cancelled]


answer_from_elsewhere = UseCase(
    AnswerFromElsewhere, lambda command: boundary(command.run_id), INITIAL, evolve, decide
)
