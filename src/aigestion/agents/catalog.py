"""Every agent that runs in this program."""

from aigestion.agents.assistant.agent import ASSISTANT
from aigestion.agents.definition import AgentDefinition

AGENTS: tuple[AgentDefinition, ...] = (ASSISTANT,)
