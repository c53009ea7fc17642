"""A few weeks of two tenants: what users did, how agents reacted, from one seed."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from aigestion.events.conversation import Citation, UserAction, UserChat, UserVoice
from aigestion.events.event import Event
from aigestion.events.recorded import Recorded
from aigestion.events.run import (
    ModelCompleted,
    ModelFailed,
    ModelRequested,
    RetrievedPassage,
    RunCancelled,
    RunContextRetrieved,
    RunFailed,
    RunStarted,
)
from aigestion.kernel.ids import derived_id
from tests.support.history import History, document, id_of, replied

BEGIN = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
"""A Monday."""
DAYS = 40
USERS = 12
AGENTS = ("assistant", "clerk")
MODELS = (("openai", "gpt-5-mini"), ("builtin", "builtin"), ("openai", "gpt-5"))
ACTIONS = ("opened", "cart.filled", "paid", "x'); DROP TABLE runs --")
REASONS = ("timeout", "overloaded", "refused")


def seeded_history(
    interactions: int,
    *,
    seed: int = 7,
    tenants: tuple[str, ...] = ("demo", "other"),
    agents: tuple[str, ...] = AGENTS,
    begin: datetime = BEGIN,
) -> History:
    """Interactions of users in random order of time, with all that followed of each."""
    world = _World(random.Random(seed), agents, begin)
    for tenant in tenants:
        world.happened(begin, document(f"harbour-{tenant}", "Ships may moor."), tenant)
    for _ in range(interactions):
        world.interaction(world.chance.choice(tenants))
    return world.history


class _World:
    def __init__(self, chance: random.Random, agents: tuple[str, ...], begin: datetime) -> None:
        self.chance = chance
        self.agents = agents
        self.begin = begin
        self.history = History()

    def happened(self, moment: datetime, event: Event, tenant: str) -> Recorded[Any]:
        recorded = self.history.happened(event, tenant=tenant)
        moved = msgspec.structs.replace(recorded, occurred_at=moment, recorded_at=moment)
        self.history.events[-1] = moved
        return moved

    def interaction(self, tenant: str) -> None:
        chance = self.chance
        moment = self.begin + timedelta(seconds=chance.uniform(0, DAYS * 86_400))
        moment = moment.replace(microsecond=chance.randrange(1_000_000))
        user = chance.randrange(USERS)
        whose: dict[str, Any] = {
            "conversation_id": id_of(f"{tenant}/{user}/{chance.randrange(3)}"),
            "user_id": f"user-{user}",
            "agent": chance.choice(self.agents),
        }
        match chance.randrange(10):
            case 0 | 1 | 2:
                self.happened(moment, UserAction(**whose, name=chance.choice(ACTIONS)), tenant)
            case 3:
                event = UserVoice(**whose, transcript="ahoy " * chance.randrange(1, 9))
                self.run(moment, self.happened(moment, event, tenant))
            case _:
                event = UserChat(**whose, text="where? " * chance.randrange(1, 9))
                self.run(moment, self.happened(moment, event, tenant))

    def run(self, moment: datetime, heard: Recorded[Any]) -> None:
        """Some are never taken up, some have no end yet, some fail at once, some after a retry."""
        chance, said, tenant = self.chance, heard.data, heard.tenant
        if chance.random() < 0.05:
            return
        run_id = derived_id(heard.id, said.agent)
        of_run = {"run_id": run_id, "conversation_id": said.conversation_id, "agent": said.agent}
        moment += _seconds(chance, 0.5)
        self.happened(moment, RunStarted(**of_run, in_reply_to=heard.id), tenant)
        moment += _seconds(chance, 0.3)
        found = tuple(
            RetrievedPassage(id_of(f"harbour-{tenant}"), n, chance.random())
            for n in range(chance.choice((0, 0, 1, 4)))
        )
        self.happened(moment, RunContextRetrieved(run_id=run_id, turns=2, passages=found), tenant)
        for attempt in (1, 2):
            moment, done = self.call(moment, of_run, said.user_id, attempt, tenant)
            if done is None:
                return
            if done:
                cited = tuple(
                    Citation(n, one.document_id, one.passage, "harbour")
                    for n, one in enumerate(found[: chance.randrange(3)], 1)
                )
                self.happened(moment, replied(heard, "There.", citations=cited), tenant)
                return
        whose = {**of_run, "user_id": said.user_id, "in_reply_to": heard.id}
        if chance.random() < 0.3:
            self.happened(moment, RunCancelled(**whose), tenant)
        else:
            failed = RunFailed(**whose, reason="no-answer", message="Sorry.")
            self.happened(moment, failed, tenant)

    def call(
        self, moment: datetime, of_run: dict[str, Any], user: str, attempt: int, tenant: str
    ) -> tuple[datetime, bool | None]:
        """When it ended, and whether with an answer; None if nobody knows yet."""
        chance = self.chance
        provider, model = chance.choice(MODELS)
        call_id = derived_id(of_run["run_id"], f"call {attempt}")
        asked = ModelRequested(
            run_id=of_run["run_id"], call_id=call_id, attempt=attempt, provider=provider, model=model,
            parameters={}, manifest=(),
        )  # fmt: skip
        self.happened(moment, asked, tenant)
        if chance.random() < 0.03:
            return moment, None
        seconds = round(chance.uniform(0.2, 9), 6)
        call = {
            **of_run, "call_id": call_id, "provider": provider, "requested_model": model,
            "requested_at": moment, "duration_seconds": seconds,
        }  # fmt: skip
        ended = moment + timedelta(seconds=seconds)
        if chance.random() < 0.2:
            usage = chance.choice(({}, {"input_tokens": 11}))
            failed = ModelFailed(
                **call, user_id=user, reason=chance.choice(REASONS), message="No.", usage=usage
            )
            self.happened(ended, failed, tenant)
            return ended, False
        counts = chance.random() < 0.9
        completed = ModelCompleted(
            **call,
            returned_model=f"{model}-2026",
            finish_reason="stop",
            usage={},
            input_tokens=chance.randrange(2_000) if counts else None,
            output_tokens=chance.randrange(300) if counts else None,
            first_token_seconds=seconds / 4 if chance.random() < 0.8 else None,
            output_hash="0f",
        )
        self.happened(ended, completed, tenant)
        return ended, True


def _seconds(chance: random.Random, most: float) -> timedelta:
    return timedelta(seconds=chance.uniform(0, most))
