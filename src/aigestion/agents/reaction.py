"""One agent's reaction to one event: each step is recorded, and found again after a crash."""

import asyncio
import logging
import re
from datetime import datetime
from typing import Any

from aigestion.agents.call import CallResult, call_model
from aigestion.agents.cancel_request import done_unless_cancelled
from aigestion.agents.definition import AgentDefinition
from aigestion.agents.deps import AgentDeps
from aigestion.agents.documents import sources_found
from aigestion.agents.manifest import manifest_of
from aigestion.agents.progress import RunProgress, progress_of
from aigestion.agents.prompt import Prompt
from aigestion.agents.run_record import RunRecord
from aigestion.agents.turns import turn_of_event
from aigestion.commands.directory.template import rendered
from aigestion.events.conversation import Citation
from aigestion.events.recorded import Recorded
from aigestion.events.run import ModelRequested
from aigestion.eventstore.reader import TenantEvents
from aigestion.kernel.errors import Refused, SubjectErased, Unavailable, ViewBehind
from aigestion.llm.port import ChatModel, Done, Failed, Source
from aigestion.messaging.port import Delta

CONTEXT_PAUSE_SECONDS = 1.0
"""Between two attempts to read the context."""

_CITATION = re.compile(r"\[(\d{1,3})\]")

_log = logging.getLogger(__name__)


class Reaction:
    """Whoever runs it should hold the run's lock; if two do, the log lets one of them end the run."""

    def __init__(
        self, deps: AgentDeps, agent: AgentDefinition, heard: Recorded[Any], cause: Recorded[Any]
    ) -> None:
        """`heard`: the message. `cause`: why to reply to it; itself, or that a user asks again."""
        self._deps = deps
        self._agent = agent
        self._limits = agent.limits
        self._heard = heard
        self._model = deps.models.get(agent.model) if agent.model else deps.model
        self._record = RunRecord(deps, agent, heard, cause)
        self._question = turn_of_event(heard.data)
        self._said: list[str] = []
        """The pieces of the reply so far: what was said is not taken back, and kept if it breaks off."""

    async def carry_on(self) -> None:
        """From the last recorded step to the end of the run. A run that has ended stays as it is.

        Raises `Unavailable` if the log does not answer; what is recorded by then is not done again.
        """
        progress = await progress_of(self._deps.reader, self._heard.tenant, self._record.run_id)
        if progress.ended:
            return
        if not progress.started:
            await self._record.started()
        if progress.cancel_requested:
            await self._stop()
            return
        if progress.open_call is not None and await self._close_lost(progress):
            return
        if self._heard.erased:
            await self._record.failed("erased")
            return
        if self._heard.type not in self._agent.hears:
            await self._record.failed("not-heard")
            return
        if self._model is None:
            await self._record.failed("model-unavailable")
            return
        try:
            answering = self._answer(progress, self._model)
            if not await done_unless_cancelled(
                answering, self._deps.reader, self._heard.tenant, self._record.run_id
            ):
                await self._stop()
        except SubjectErased:
            await self._abandon()

    async def _stop(self) -> None:
        """Somebody asked to stop. The log says how far it got: an end may have been faster."""
        progress = await progress_of(self._deps.reader, self._heard.tenant, self._record.run_id)
        await self._record.cancelled(progress.open_call, "".join(self._said) or None)

    async def _abandon(self) -> None:
        """The user was erased under way: nothing of theirs can be recorded any more."""
        progress = await progress_of(self._deps.reader, self._heard.tenant, self._record.run_id)
        if (call := progress.open_call) is None:
            await self._record.failed("erased")
            return
        await self._record.model_failed(
            call.data,
            call.occurred_at,
            "erased",
            "the user was erased during the call",
            ends_run=True,
        )

    async def _close_lost(self, progress: RunProgress) -> bool:
        """A call was open when its process ended: nobody knows how it went. Says if that ends the run."""
        lost = progress.open_call
        assert lost is not None
        ends_run = progress.attempts >= self._limits.attempts_max
        await self._record.model_failed(
            lost.data,
            lost.occurred_at,
            "unknown",
            "the program ended during the call",
            ends_run=ends_run,
        )
        return ends_run

    async def _answer(self, progress: RunProgress, model: ChatModel) -> None:
        prompt = await self._patiently_prompted(progress)
        if prompt is None:
            await self._record.failed("context-unavailable")
            return
        manifest = await manifest_of(prompt, self._deps.hashes, self._deps.blobs)
        for attempt in range(progress.attempts + 1, self._limits.attempts_max + 1):
            pause_seconds = await self._ask(model, prompt, manifest, attempt)
            if pause_seconds is None:
                return
            await self._deps.sleep(pause_seconds)
        # Only reached by a run that began under a higher limit.
        await self._record.failed("unknown")

    async def _patiently_prompted(self, progress: RunProgress) -> Prompt | None:
        """None if read models did not answer for as long as a user may wait."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.context_seconds_max
        while True:
            try:
                return await self._prompted(progress)
            except (Unavailable, ViewBehind) as error:
                _log.warning("run %s: no context yet: %s", self._record.run_id, error)
                if loop.time() + CONTEXT_PAUSE_SECONDS > deadline:
                    return None
            await self._deps.sleep(CONTEXT_PAUSE_SECONDS)

    async def _prompted(self, progress: RunProgress) -> Prompt:
        """The context, searched for and recorded once; after that the log is asked what it was."""
        heard, search = self._heard, self._deps.search
        history = await search.history(
            heard.tenant, heard.data.conversation_id, heard.position, self._limits
        )
        if progress.context is None:
            found = await search.passages(
                heard.tenant,
                self._question,
                history,
                heard.position,
                self._limits,
                self._agent.documents,
            )
            await self._record.context_retrieved(
                len(history.turns), [one.retrieved for one in found]
            )
            sources = tuple(one.source for one in found)
        else:
            sources = await sources_found(
                TenantEvents(self._deps.reader, heard.tenant), progress.context
            )
        return Prompt(
            tenant=heard.tenant,
            user_id=heard.data.user_id,
            system=self._instructions(),
            history=history,
            sources=sources,
            question=self._question,
            asked_at=heard.position,
        )

    def _instructions(self) -> str:
        """What an agent is told depends on its definition and the event alone."""
        return rendered(
            self._agent.instructions,
            {
                "agent": self._agent.name,
                "date": f"{self._heard.occurred_at:%Y-%m-%d}",
                "tenant": self._heard.tenant,
            },
        )

    async def _ask(
        self, model: ChatModel, prompt: Prompt, manifest: tuple[str, ...], attempt: int
    ) -> float | None:
        """One attempt. Seconds to wait before the next one; None if the run is at its end."""
        tokens_max = self._limits.output_tokens_max
        parameters = {**model.parameters, "output_tokens_max": tokens_max}
        try:
            call = await self._record.model_requested(model, attempt, parameters, manifest)
        except Refused:
            _log.warning("run %s: somebody else is at work on it", self._record.run_id)
            return None
        asked_at = self._deps.clock()
        result = await call_model(
            model,
            prompt.request(call.call_id, tokens_max),
            self._limits.call_seconds_max,
            self._say,
        )
        self._deps.calls.note(model, result)
        if isinstance(result.end, Done):
            await self._reply(call, asked_at, result, result.end, prompt.sources)
            return None
        pause_seconds = self._pause_after(result.end, attempt, said=bool(result.text))
        await self._record.model_failed(
            call,
            asked_at,
            result.end.reason,
            result.end.message,
            partial_text=result.text or None,
            duration_seconds=result.duration_seconds,
            ends_run=pause_seconds is None,
        )
        return pause_seconds

    async def _reply(
        self,
        call: ModelRequested,
        asked_at: datetime,
        result: CallResult,
        done: Done,
        sources: tuple[Source, ...],
    ) -> None:
        heard = self._heard
        output_hash = await self._deps.hashes.keyed_hash(
            heard.tenant, f"user:{heard.data.user_id}", result.text
        )
        citations = _citations(result.text, sources)
        if not await self._record.replied(call, asked_at, result, done, output_hash, citations):
            _log.warning("run %s: its call had another end already", self._record.run_id)

    def _pause_after(self, failed: Failed, attempt: int, *, said: bool) -> float | None:
        """What was said to the user is not taken back: a call that broke off is not made again."""
        if said or not failed.retryable or attempt >= self._limits.attempts_max:
            return None
        # Spread by run, not by chance: runs that failed together do not come back together.
        spread = 0.5 + (self._record.run_id.int % 1024) / 1024
        pause = self._limits.backoff_seconds * 2 ** (attempt - 1) * spread
        pause = max(pause, failed.retry_after_seconds or 0.0)
        return pause if pause <= self._limits.pause_seconds_max else None

    async def _say(self, text: str) -> None:
        """Live pieces are a courtesy (law 12): the reply does not hang on them."""
        self._said.append(text)
        delta = Delta(self._heard.data.conversation_id, self._record.run_id, text)
        try:
            await self._deps.live.publish(self._heard.tenant, delta)
        except Exception as error:
            _log.debug("run %s: a live piece was lost: %s", self._record.run_id, error)


def _citations(text: str, sources: tuple[Source, ...]) -> tuple[Citation, ...]:
    """The sources the text refers to as `[n]`. Numbers nobody gave are no citations."""
    named = {int(number) for number in _CITATION.findall(text)}
    return tuple(
        Citation(source.number, source.document_id, source.passage, source.title)
        for source in sources
        if source.number in named
    )
