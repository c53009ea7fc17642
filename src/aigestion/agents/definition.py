"""What an agent is: its name, what it hears, what it is told, and its limits."""

import msgspec


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
