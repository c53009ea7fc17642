"""What a run says to the log: one method a step, in the words of the run's commands (law 7)."""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from aigestion.agents.call import CallResult
from aigestion.agents.definition import AgentDefinition
from aigestion.agents.deps import AgentDeps
from aigestion.agents.notices import notice
from aigestion.agents.turns import turn_of_event
from aigestion.commands.dispatcher import Outcome
from aigestion.commands.run.complete_model_call import CompleteModelCall
from aigestion.commands.run.end_cancelled_run import EndCancelledRun
from aigestion.commands.run.fail_model_call import FailModelCall
from aigestion.commands.run.fail_run import FailRun
from aigestion.commands.run.record_context import RecordContext
from aigestion.commands.run.request_model import RequestModel
from aigestion.commands.run.start_run import StartRun
from aigestion.events.conversation import AgentReplied, Citation
from aigestion.events.recorded import Recorded
from aigestion.events.run import (
    ModelCompleted,
    ModelFailed,
    ModelRequested,
    RetrievedPassage,
    RunCancelled,
    RunFailed,
)
from aigestion.kernel.context import Context
from aigestion.kernel.errors import TooMuchContention, Unavailable
from aigestion.kernel.ids import derived_id
from aigestion.llm.port import ChatModel, Done
from aigestion.llm.words import language_of

RECORDING_ATTEMPTS_MAX = 5
RECORDING_PAUSE_SECONDS = 0.5
"""Before the second attempt; it doubles with each further one."""

_log = logging.getLogger(__name__)


class RunRecord:
    """The run of one agent that heard one event."""

    def __init__(
        self,
        deps: AgentDeps,
        agent: AgentDefinition,
        heard: Recorded[Any],
        cause: Recorded[Any],
    ) -> None:
        self.run_id = derived_id(cause.id, agent.name)
        self._deps = deps
        self._agent = agent.name
        self._agent_version = agent.version
        self._heard = heard
        self._language = language_of(turn_of_event(heard.data).text)
        self._context = Context(
            tenant=heard.tenant,
            actor=f"agent:{agent.name}",
            correlation_id=cause.correlation_id,
            causation_id=cause.id,
        )

    async def started(self) -> None:
        await self._dispatch(
            StartRun(
                run_id=self.run_id,
                conversation_id=self._heard.data.conversation_id,
                agent=self._agent,
                in_reply_to=self._heard.id,
                agent_version=self._agent_version,
            )
        )

    async def context_retrieved(self, turns: int, passages: Sequence[RetrievedPassage]) -> None:
        await self._dispatch(
            RecordContext(run_id=self.run_id, turns=turns, passages=tuple(passages))
        )

    async def model_requested(
        self,
        model: ChatModel,
        attempt: int,
        parameters: dict[str, Any],
        manifest: tuple[str, ...],
    ) -> ModelRequested:
        """`Refused` if the run has ended or has a call open: somebody else is at work on it."""
        command = RequestModel(
            run_id=self.run_id,
            call_id=derived_id(self.run_id, f"model/{attempt}"),
            attempt=attempt,
            provider=model.provider,
            model=model.model,
            parameters=parameters,
            manifest=manifest,
        )
        [requested] = (await self._dispatch(command)).events
        assert isinstance(requested.data, ModelRequested)
        return requested.data

    async def replied(
        self,
        call: ModelRequested,
        at: datetime,
        result: CallResult,
        done: Done,
        output_hash: str,
        citations: tuple[Citation, ...],
    ) -> bool:
        """The answer and the reply, in one append. False if the call has ended otherwise before."""
        heard = self._heard.data
        command = CompleteModelCall(
            ModelCompleted(
                run_id=self.run_id,
                conversation_id=heard.conversation_id,
                agent=self._agent,
                call_id=call.call_id,
                provider=call.provider,
                requested_model=call.model,
                returned_model=done.returned_model,
                finish_reason=done.finish_reason,
                usage=done.usage,
                input_tokens=done.input_tokens,
                output_tokens=done.output_tokens,
                requested_at=at,
                first_token_seconds=result.first_token_seconds,
                duration_seconds=result.duration_seconds,
                output_hash=output_hash,
            ),
            AgentReplied(
                conversation_id=heard.conversation_id,
                user_id=heard.user_id,
                agent=self._agent,
                run_id=self.run_id,
                in_reply_to=self._heard.id,
                text=result.text,
                citations=citations,
            ),
        )
        return bool((await self._dispatch_persistently(command)).events)

    async def model_failed(
        self,
        call: ModelRequested,
        at: datetime,
        reason: str,
        message: str,
        *,
        partial_text: str | None = None,
        duration_seconds: float | None = None,
        ends_run: bool,
    ) -> None:
        """The call's bad end and, in the same append, the run's if there is to be no other attempt."""
        failed = self._call_failed(call, at, reason, message, partial_text, duration_seconds)
        run_failed = self._run_failed(reason, broke_off=bool(partial_text)) if ends_run else None
        await self._dispatch_persistently(FailModelCall(failed, run_failed))

    async def failed(self, reason: str) -> None:
        """The run's end for a reason that is not a model's."""
        await self._dispatch_persistently(FailRun(self._run_failed(reason)))

    async def cancelled(
        self, open_call: Recorded[ModelRequested] | None, partial_text: str | None
    ) -> None:
        """The run's end because somebody stopped it, and that of its open call in the same append."""
        heard, failed = self._heard.data, None
        if open_call is not None:
            message = "the run was stopped"
            failed = self._call_failed(
                open_call.data, open_call.occurred_at, "cancelled", message, partial_text
            )
        cancelled = RunCancelled(
            run_id=self.run_id,
            conversation_id=heard.conversation_id,
            user_id=heard.user_id,
            agent=self._agent,
            in_reply_to=self._heard.id,
        )
        await self._dispatch_persistently(EndCancelledRun(cancelled, failed))

    def _call_failed(
        self,
        call: ModelRequested,
        at: datetime,
        reason: str,
        message: str,
        partial_text: str | None = None,
        duration_seconds: float | None = None,
    ) -> ModelFailed:
        heard = self._heard.data
        return ModelFailed(
            run_id=self.run_id,
            conversation_id=heard.conversation_id,
            agent=self._agent,
            user_id=heard.user_id,
            call_id=call.call_id,
            provider=call.provider,
            requested_model=call.model,
            reason=reason,
            message=message,
            requested_at=at,
            duration_seconds=duration_seconds,
            partial_text=partial_text,
        )

    def _run_failed(self, reason: str, *, broke_off: bool = False) -> RunFailed:
        heard = self._heard.data
        return RunFailed(
            run_id=self.run_id,
            conversation_id=heard.conversation_id,
            user_id=heard.user_id,
            agent=self._agent,
            in_reply_to=self._heard.id,
            reason=reason,
            message=notice(reason, self._language, broke_off=broke_off),
        )

    async def _dispatch(self, command: object) -> Outcome:
        return await self._deps.dispatcher.dispatch(command, self._context)

    async def _dispatch_persistently(self, command: object) -> Outcome:
        """Ends are paid for: while the log is away for a moment they are kept in hand.

        Again is harmless: a call that has its end is no news.
        """
        pause = RECORDING_PAUSE_SECONDS
        for _ in range(RECORDING_ATTEMPTS_MAX - 1):
            try:
                return await self._dispatch(command)
            except (Unavailable, TooMuchContention) as error:
                _log.warning("run %s: its end cannot be recorded yet: %s", self.run_id, error)
                await self._deps.sleep(pause)
                pause *= 2
        return await self._dispatch(command)
