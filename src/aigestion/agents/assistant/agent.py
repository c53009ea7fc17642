"""The definition of the assistant; its instructions stand in `prompt.md` beside it."""

from importlib.resources import files

from aigestion.agents.definition import AgentDefinition
from aigestion.events.conversation import UserChat, UserVoice

ASSISTANT = AgentDefinition(
    name="assistant",
    description="Answers questions from the documents it was given, and names its sources.",
    hears=(UserChat.stored_as, UserVoice.stored_as),
    instructions=files(__package__).joinpath("prompt.md").read_text(encoding="utf-8").strip(),
)
