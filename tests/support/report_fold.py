"""Every report, counted from the events themselves in plain Python: what ClickHouse must come to."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from aigestion.events.conversation import AgentReplied, UserAction, UserChat, UserVoice
from aigestion.events.recorded import Recorded
from aigestion.events.run import (
    ModelCompleted,
    ModelFailed,
    RunCancelled,
    RunContextRetrieved,
    RunFailed,
    RunStarted,
)
from aigestion.queries.report import BUCKETS
from aigestion.queries.report_question import CheckedQuestion
from tests.support.history import History

Fact = dict[str, Any]
INTERACTIONS = (UserChat, UserVoice, UserAction)


def folded(history: History, tenant: str, question: CheckedQuestion) -> list[dict[str, Any]]:
    """The rows of a report, in no order."""
    events = [recorded for recorded in history.events if recorded.tenant == tenant]
    facts, measures = _REPORTS[question.report.name](events, question)
    groups: defaultdict[tuple[Any, ...], list[Fact]] = defaultdict(list)
    for fact in facts:
        if question.start <= fact["at"] < question.end and _wanted(fact, question):
            groups[tuple(_key(fact, one, question.tz) for one in question.by)].append(fact)
    names = ["start" if one in BUCKETS else one for one in question.by]
    return [
        dict(zip(names, (_plain(one) for one in key), strict=True)) | measures(group)
        for key, group in groups.items()
    ]


def _wanted(fact: Fact, question: CheckedQuestion) -> bool:
    return all(str(fact[name]) in values for name, values in question.filters.items())


def _key(fact: Fact, name: str, tz: str) -> Any:
    return _start(fact["at"], name, tz) if name in BUCKETS else fact[name]


def _start(moment: datetime, bucket: str, tz: str) -> datetime:
    local = moment.astimezone(ZoneInfo(tz)).replace(minute=0, second=0, microsecond=0)
    if bucket == "hour":
        return local.astimezone(UTC)
    local = local.replace(hour=0)
    if bucket == "week":
        local -= timedelta(days=local.weekday())
    if bucket == "month":
        local = local.replace(day=1)
    return local.astimezone(UTC)


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value) if isinstance(value, datetime) else value


def _percentile(values: Iterable[float | None], level: float) -> float | None:
    known = sorted(value for value in values if value is not None)
    return known[min(int(level * len(known)), len(known) - 1)] if known else None


def _percentiles(name: str, values: list[float | None]) -> dict[str, float | None]:
    return {
        f"{name}_p{percent}_seconds": _percentile(values, percent / 100) for percent in (50, 95, 99)
    }


def _distinct(facts: Iterable[Fact], name: str) -> int:
    return len({fact[name] for fact in facts})


def _fact(recorded: Recorded[Any]) -> Fact:
    event = recorded.data
    return {
        "at": recorded.occurred_at,
        "event": event,
        "type": recorded.type,
        "agent": getattr(event, "agent", None),
        "user": getattr(event, "user_id", None),
        "conversation": getattr(event, "conversation_id", None),
        "run": getattr(event, "run_id", None),
    }


def _of(events: Sequence[Recorded[Any]], *types: type) -> list[Fact]:
    return [_fact(recorded) for recorded in events if isinstance(recorded.data, types)]


_Report = tuple[list[Fact], Callable[[list[Fact]], dict[str, Any]]]


def _usage(events: Sequence[Recorded[Any]], question: CheckedQuestion) -> _Report:
    def measures(facts: list[Fact]) -> dict[str, Any]:
        def count(*types: str) -> int:
            return sum(fact["type"] in types for fact in facts)

        used = [_tokens(fact["event"]) for fact in facts]
        return {
            "events": len(facts),
            "messages": count("user.chat", "user.voice"),
            "actions": count("user.action"),
            "replies": count("agent.replied"),
            "failures": count("run.failed"),
            "model_calls": count("model.completed", "model.failed"),
            "model_failures": count("model.failed"),
            "input_tokens": sum(one[0] or 0 for one in used),
            "output_tokens": sum(one[1] or 0 for one in used),
        }

    return [_fact(recorded) for recorded in events], measures


def _tokens(event: Any) -> tuple[int | None, int | None]:
    match event:
        case ModelCompleted():
            return event.input_tokens, event.output_tokens
        case ModelFailed():
            return event.usage.get("input_tokens"), event.usage.get("output_tokens")
        case _:
            return None, None


def _active_users(events: Sequence[Recorded[Any]], question: CheckedQuestion) -> _Report:
    return _of(events, *INTERACTIONS), lambda facts: {
        "users": _distinct(facts, "user"),
        "conversations": _distinct(facts, "conversation"),
        "interactions": len(facts),
    }


def _calls(events: Sequence[Recorded[Any]]) -> list[Fact]:
    return [
        fact
        | {
            "provider": fact["event"].provider,
            "model": fact["event"].requested_model,
            "returned_model": getattr(fact["event"], "returned_model", None),
        }
        for fact in _of(events, ModelCompleted, ModelFailed)
    ]


def _latency(events: Sequence[Recorded[Any]], question: CheckedQuestion) -> _Report:
    def measures(facts: list[Fact]) -> dict[str, Any]:
        done = [fact["event"] for fact in facts if isinstance(fact["event"], ModelCompleted)]
        return {
            "calls": len(done),
            **_percentiles("call", [one.duration_seconds for one in done]),
            **_percentiles("first_token", [one.first_token_seconds for one in done]),
        }

    return _calls(events), measures


def _tokens_used(events: Sequence[Recorded[Any]], question: CheckedQuestion) -> _Report:
    def measures(facts: list[Fact]) -> dict[str, Any]:
        used = [_tokens(fact["event"]) for fact in facts]
        return {
            "calls": len(used),
            "uncounted_calls": used.count((None, None)),
            "input_tokens": sum(one[0] or 0 for one in used),
            "output_tokens": sum(one[1] or 0 for one in used),
        }

    return _calls(events), measures


def _errors(events: Sequence[Recorded[Any]], question: CheckedQuestion) -> _Report:
    facts = [
        fact | {"reason": fact["event"].reason} for fact in _of(events, ModelFailed, RunFailed)
    ]
    return facts, lambda facts: {
        "errors": len(facts),
        "runs": _distinct(facts, "run"),
        "users": _distinct(facts, "user"),
    }


def _ends(events: Sequence[Recorded[Any]]) -> dict[Any, Recorded[Any]]:
    return {
        recorded.data.run_id: recorded
        for recorded in events
        if isinstance(recorded.data, AgentReplied | RunFailed | RunCancelled)
    }


def _retrieval(events: Sequence[Recorded[Any]], question: CheckedQuestion) -> _Report:
    agents = {one.data.run_id: one.data.agent for one in events if isinstance(one.data, RunStarted)}
    ends = _ends(events)
    facts = []
    for fact in _of(events, RunContextRetrieved):
        end = ends.get(fact["run"])
        replied = end is not None and isinstance(end.data, AgentReplied)
        facts.append(
            fact
            | {
                "agent": agents[fact["run"]],
                "scores": [one.score for one in fact["event"].passages],
                "citations": len(end.data.citations) if replied and end else None,
            }
        )
    return facts, lambda facts: {
        "retrievals": len(facts),
        "hits": sum(bool(fact["scores"]) for fact in facts),
        "empty": sum(not fact["scores"] for fact in facts),
        "passages": sum(len(fact["scores"]) for fact in facts),
        "replies": sum(fact["citations"] is not None for fact in facts),
        "uncited_replies": sum(fact["citations"] == 0 for fact in facts),
        "best_score_p50": _percentile((max(f["scores"], default=None) for f in facts), 0.5),
    }


def _agents(events: Sequence[Recorded[Any]], question: CheckedQuestion) -> _Report:
    by_id, ends = {recorded.id: recorded for recorded in events}, _ends(events)
    facts = []
    for fact in _of(events, RunStarted):
        heard, end = by_id[fact["event"].in_reply_to], ends.get(fact["run"])
        outcome = "running" if end is None else end.type.partition(".")[2]
        waited = None if end is None else end.occurred_at - heard.occurred_at
        facts.append(
            fact
            | {
                "user": heard.data.user_id,
                "outcome": outcome,
                "reason": getattr(end and end.data, "reason", None),
                "seconds": None if waited is None else waited / timedelta(microseconds=1) / 1e6,
            }
        )

    def measures(facts: list[Fact]) -> dict[str, Any]:
        def count(outcome: str) -> int:
            return sum(fact["outcome"] == outcome for fact in facts)

        return {
            "runs": len(facts),
            "replied": count("replied"),
            "failed": count("failed"),
            "cancelled": count("cancelled"),
            "running": count("running"),
            "users": _distinct(facts, "user"),
            **_percentiles("reply", [f["seconds"] for f in facts if f["outcome"] == "replied"]),
        }

    return facts, measures


def _actions(events: Sequence[Recorded[Any]], question: CheckedQuestion) -> _Report:
    facts = [fact | {"action": fact["event"].name} for fact in _of(events, UserAction)]
    return facts, lambda facts: {"actions": len(facts), "users": _distinct(facts, "user")}


def _funnel(events: Sequence[Recorded[Any]], question: CheckedQuestion) -> _Report:
    reached: defaultdict[str, int] = defaultdict(int)
    for recorded in events:
        event, within = recorded.data, question.start <= recorded.occurred_at < question.end
        if isinstance(event, UserAction) and within:
            step = reached[event.user_id]
            reached[event.user_id] += question.steps[step : step + 1] == (event.name,)
    facts = [
        {"at": question.start, "user": user, "step": step, "action": question.steps[step - 1]}
        for user, last in reached.items()
        for step in range(1, last + 1)
    ]
    return facts, lambda facts: {"users": _distinct(facts, "user")}


def _retention(events: Sequence[Recorded[Any]], question: CheckedQuestion) -> _Report:
    facts, firsts = _of(events, *INTERACTIONS), {}
    for fact in sorted(facts, key=lambda fact: fact["at"]):
        firsts.setdefault(fact["user"], fact["at"])
    seen = []
    for fact in facts:
        first = firsts[fact["user"]]
        if fact["at"] < question.end:
            weeks = _start(fact["at"], "week", question.tz) - _start(first, "week", question.tz)
            seen.append({"at": first, "user": fact["user"], "weeks_later": round(weeks.days / 7)})
    return seen, lambda facts: {"users": _distinct(facts, "user")}


_REPORTS: dict[str, Callable[[Sequence[Recorded[Any]], CheckedQuestion], _Report]] = {
    "usage": _usage,
    "active_users": _active_users,
    "latency": _latency,
    "tokens": _tokens_used,
    "errors": _errors,
    "retrieval": _retrieval,
    "agents": _agents,
    "actions": _actions,
    "funnel": _funnel,
    "retention": _retention,
}
