"""Everything a model is shown in one run, with where each part stands in the log."""

from uuid import UUID

import msgspec

from aigestion.llm.port import ChatRequest, Source, Turn


class History(msgspec.Struct, frozen=True):
    """The turns before the question, without gaps: the conversation between two positions, as it is told."""

    turns: tuple[Turn, ...] = ()
    first: int = 0
    """Position of the first one."""
    last: int = 0


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """A model call's input, before it has an id."""

    tenant: str
    user_id: str
    system: str
    history: History
    sources: tuple[Source, ...]
    question: Turn
    asked_at: int
    """Position of the question."""

    def request(self, call_id: UUID, output_tokens_max: int) -> ChatRequest:
        return ChatRequest(
            call_id=call_id,
            system=self.system,
            turns=(*self.history.turns, self.question),
            sources=self.sources,
            output_tokens_max=output_tokens_max,
        )
