"""The definitions of an agent, asked of the log itself: so that a run is answered by what stood at its event."""

from aigestion.events.directory import AgentDefined
from aigestion.events.recorded import Recorded
from aigestion.eventstore.reader import LogReader
from aigestion.kernel.query import matching


async def versions_of(reader: LogReader, tenant: str, agent: str) -> list[Recorded[AgentDefined]]:
    """Every version a tenant defined, in order: version n stands at index n - 1."""
    query = matching(f"agent:{agent}", types=(AgentDefined.stored_as,))
    return await reader.read(query.scoped(tenant))
