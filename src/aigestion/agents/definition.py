"""What an agent is: its name, what it hears, what it is told, and its limits."""

from uuid import UUID

import msgspec

from aigestion.events.directory import AgentDefined, AgentLimits


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one run of an agent may take."""

    attempts_max: int = 3
    """How often a run asks the model, crashes included."""
    call_seconds_max: float = 3_700.0
    """The last guard against a call without end. Adapters keep shorter limits, from the settings."""
    context_seconds_max: float = 20.0
    """How long a run waits for read models that do not answer."""
    backoff_seconds: float = 1.0
    """Pause before the second attempt; it doubles with each further one."""
    pause_seconds_max: float = 20.0
    """A provider that asks to be left alone for longer is not waited for."""
    history_turns_max: int = 12
    history_chars_max: int = 12_000
    passages_max: int = 5
    output_tokens_max: int = 1_024


class AgentDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """One agent. Its instructions are its system prompt."""

    name: str
    description: str
    hears: tuple[str, ...]
    """Stored names of the event types it reacts to."""
    instructions: str
    limits: Limits = Limits()
    version: int = 0
    """0 is what the program brings."""
    model: str | None = None
    """`<provider>/<model>`; None for the one this process asks."""
    documents: tuple[UUID, ...] | None = None
    """What it may quote; None for all documents."""


def definition_of(event: AgentDefined) -> AgentDefinition:
    """What a tenant defined, as the runner takes it."""
    limits = Limits(
        output_tokens_max=event.limits.output_tokens_max,
        history_turns_max=event.limits.history_turns_max,
        passages_max=event.limits.passages_max,
        call_seconds_max=event.limits.call_seconds_max,
    )
    return AgentDefinition(
        name=event.agent,
        description=event.description,
        hears=event.hears,
        instructions=event.instructions,
        limits=limits,
        version=event.agent_version,
        model=event.model,
        documents=event.documents,
    )


def as_event(agent: AgentDefinition) -> AgentDefined:
    """What the program brings, as version 0 of a definition."""
    limits = AgentLimits(
        output_tokens_max=agent.limits.output_tokens_max,
        history_turns_max=agent.limits.history_turns_max,
        passages_max=agent.limits.passages_max,
        call_seconds_max=int(agent.limits.call_seconds_max),
    )
    return AgentDefined(
        agent=agent.name,
        agent_version=agent.version,
        description=agent.description,
        instructions=agent.instructions,
        model=agent.model,
        hears=agent.hears,
        documents=agent.documents,
        limits=limits,
    )
