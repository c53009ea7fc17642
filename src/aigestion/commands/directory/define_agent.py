"""Use case: define an agent, or go back to an earlier definition: each time a version more."""

import re

import msgspec

from aigestion.commands.directory.template import VARIABLES, unknown_variables
from aigestion.events.conversation import UserAction, UserChat, UserVoice
from aigestion.events.directory import AgentDefined
from aigestion.kernel.decider import UseCase
from aigestion.kernel.errors import NotFound, Unusable, VersionMoved
from aigestion.kernel.query import Query, matching

HEARD = (UserChat.stored_as, UserVoice.stored_as, UserAction.stored_as)
"""What an agent can hear."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

Versions = tuple[AgentDefined, ...]
"""In order: version n stands at index n - 1."""


class DefineAgent(msgspec.Struct, frozen=True, kw_only=True):
    wanted: AgentDefined
    """Whatever its `agent_version`: it gets the next one."""
    models: tuple[str, ...]
    """Those that this installation can ask."""
    expected_version: int | None = None


class RollBackAgent(msgspec.Struct, frozen=True, kw_only=True):
    agent: str
    to_version: int
    builtin: AgentDefined | None = None
    """Version 0, if the program brings an agent of this name."""
    expected_version: int | None = None


def is_agent_name(text: str) -> bool:
    """Whether an agent may be called that."""
    return _NAME.fullmatch(text) is not None


def decide_define(command: DefineAgent, versions: Versions) -> list[AgentDefined]:
    _check_expected(command.expected_version, versions)
    if faults := _faults(command.wanted, command.models):
        raise Unusable("The agent cannot be like that.", errors=faults)
    return _next(versions, command.wanted, None)


def decide_roll_back(command: RollBackAgent, versions: Versions) -> list[AgentDefined]:
    known = {one.agent_version: one for one in (*versions, command.builtin) if one is not None}
    if command.to_version not in known:
        raise NotFound("There is no such version of the agent.")
    _check_expected(command.expected_version, versions)
    return _next(versions, known[command.to_version], command.to_version)


def _check_expected(expected: int | None, versions: Versions) -> None:
    if expected is not None and expected != len(versions):
        raise VersionMoved(
            f"The agent is at version {len(versions)}, not {expected}: look again.",
            version=len(versions),
        )


def _next(versions: Versions, wanted: AgentDefined, back_to: int | None) -> list[AgentDefined]:
    """No news if the latest version says the same."""
    number = len(versions) + 1
    following = msgspec.structs.replace(wanted, agent_version=number, rolled_back_to=back_to)
    if versions:
        latest = versions[-1]
        same = msgspec.structs.replace(latest, agent_version=number, rolled_back_to=back_to)
        if same == following:
            return []
    return [following]


def _faults(wanted: AgentDefined, models: tuple[str, ...]) -> list[dict[str, str]]:
    """Everything that is wrong, each with where it stands."""
    faults = []
    if wanted.model is not None and wanted.model not in models:
        offered = ", ".join(models) or "none"
        faults.append(_fault("model", f"{wanted.model!r} cannot be asked here; there is {offered}"))
    faults += [
        _fault("instructions", f"{{{{{name}}}}} is no variable; there are {', '.join(VARIABLES)}")
        for name in unknown_variables(wanted.instructions)
    ]
    faults += [
        _fault(f"hears.{n}", f"{heard!r} is nothing to hear; there are {', '.join(HEARD)}")
        for n, heard in enumerate(wanted.hears)
        if heard not in HEARD
    ]
    return faults


def _fault(field: str, message: str) -> dict[str, str]:
    return {"field": field, "pointer": f"#/{field.replace('.', '/')}", "message": message}


def _boundary(command: DefineAgent | RollBackAgent) -> Query:
    agent = command.wanted.agent if isinstance(command, DefineAgent) else command.agent
    return matching(f"agent:{agent}", types=(AgentDefined.stored_as,))


def _evolve(versions: Versions, event: AgentDefined) -> Versions:
    return (*versions, event)


_NONE: Versions = ()
define_agent = UseCase(DefineAgent, _boundary, _NONE, _evolve, decide_define)
roll_back_agent = UseCase(RollBackAgent, _boundary, _NONE, _evolve, decide_roll_back)
