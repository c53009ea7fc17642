"""The sweep: whatever the broker forgot is found in the log."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from aigestion.agents import sweep as module
from aigestion.agents.reactions import Reactions
from aigestion.agents.sweep import Sweep
from aigestion.kernel.errors import Unavailable
from aigestion.kernel.ids import derived_id
from aigestion.llm.scripted import ScriptedModel, says
from aigestion.queries.runs import UnfinishedRun
from tests.support.tasks import eventually, patience
from tests.unit.agents.conftest import Build
from tests.unit.agents.house import CONVERSATION, TENANT, House

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


async def ours() -> list[str]:
    return ["assistant"]


class Unfinished:
    """What the read model would say: every user's message without an end."""

    def __init__(
        self, house: House, *, agent: str = "assistant", knows_position: bool = True
    ) -> None:
        self.house = house
        self.agent = agent
        self.knows_position = knows_position
        self.idle_before: list[datetime] = []

    async def unfinished(
        self, agents: Sequence[str], *, idle_before: datetime, limit: int
    ) -> list[UnfinishedRun]:
        if self.agent not in agents:
            return []
        self.idle_before.append(idle_before)
        events = await self.house.reader.read()
        ended = {e.data.in_reply_to for e in events if e.type in ("agent.replied", "run.failed")}
        return [
            UnfinishedRun(
                run_id=derived_id(e.id, self.agent), tenant=TENANT, conversation_id=CONVERSATION,
                agent=self.agent, in_reply_to=e.id, state="heard", touched_at=e.recorded_at,
                event_position=e.position if self.knows_position else None,
            )
            for e in events
            if e.type == "user.chat" and e.id not in ended
        ]  # fmt: skip


async def sweep_once(house: House, unfinished: Unfinished) -> None:
    reactions = Reactions(house.runner().react)
    sweep = Sweep(unfinished, house.reader, reactions, ours, clock=lambda: NOW)
    await sweep.once(10)
    await eventually(lambda: not reactions.going_on)


async def test_an_event_nobody_heard_is_reacted_to(build: Build) -> None:
    house = build(ScriptedModel(says("Yes.")))
    await house.say("Is it?")
    unfinished = Unfinished(house)

    await sweep_once(house, unfinished)

    assert (await house.types())[-1] == "agent.replied"
    assert unfinished.idle_before == [NOW - timedelta(seconds=10)]


async def test_a_run_whose_row_names_no_position_is_found_in_the_log(build: Build) -> None:
    house = build(ScriptedModel(says("Yes.")))
    await house.say("Is it?")

    await sweep_once(house, Unfinished(house, knows_position=False))

    assert (await house.types())[-1] == "agent.replied"


async def test_sweeping_again_changes_nothing(build: Build) -> None:
    house = build(ScriptedModel(says("Yes.")))
    heard = await house.say("Is it?")
    await house.runner().react(heard)
    before = await house.store.head()

    await sweep_once(house, Unfinished(house))

    assert await house.store.head() == before


async def test_runs_of_agents_elsewhere_are_left_to_them(build: Build) -> None:
    house = build(ScriptedModel(says("Yes.")))
    await house.say("Is it?")

    await sweep_once(house, Unfinished(house, agent="elsewhere"))

    assert await house.types() == []


async def test_the_first_sweep_takes_all_and_is_tried_until_it_is_done(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_SWEEP_RETRY_SECONDS", 0.0)
    monkeypatch.setattr(module, "SWEEP_SECONDS", 0.01)
    house = build(ScriptedModel(says("Yes.")))
    await house.say("Is it?")

    class NotYet(Unfinished):
        async def unfinished(
            self, agents: Sequence[str], *, idle_before: datetime, limit: int
        ) -> list[UnfinishedRun]:
            found = await super().unfinished(agents, idle_before=idle_before, limit=limit)
            if len(self.idle_before) < 3:
                raise Unavailable("not built yet", engine="postgres")
            return found

    unfinished = NotYet(house)
    reactions = Reactions(house.runner().react)
    sweep = Sweep(unfinished, house.reader, reactions, ours, clock=lambda: NOW)
    task = asyncio.create_task(sweep.run())
    async with patience():
        while len(unfinished.idle_before) < 5:
            await asyncio.sleep(0.001)
    task.cancel()

    idle = [(NOW - before).total_seconds() for before in unfinished.idle_before]
    assert idle[:5] == [0, 0, 0, module.RUN_IDLE_SECONDS, module.RUN_IDLE_SECONDS]
    assert (await house.types())[-1] == "agent.replied"
