"""Judges a history by the evidence. Shares no code with what it judges: it folds the log in its own way."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from aigestion.prove.evidence import Evidence, Opened
from aigestion.prove.folding import first_difference, folded_conversations, shown_conversation
from aigestion.prove.history import History, Operation
from aigestion.prove.load import MARKER
from aigestion.prove.signed import faults_of
from aigestion.prove.stand_ins import reply_to

RSS_BYTES_MAX = 1024 * 1024 * 1024
DESCRIPTORS_MAX = 512
ENDS = ("agent.replied", "run.failed", "run.cancelled")
EVENT_OF = {"start": "conversation.started", "chat": "user.chat", "action": "user.action"}


class Violation(msgspec.Struct, frozen=True):
    """A promise that was not kept."""

    kind: str
    """`lost`, `duplicated`, `wrong`, `hole`, `broker`, `view`, `stale`, `phantom`, `order`, `refused`, `effect`,
    `canary`, `unseen`, `hang`, `unbounded`, `audit`, `signed`, `restless`, `unserved`, `ended`, `silent`."""
    message: str
    position: int | None = None


def violations(history: History, evidence: Evidence) -> list[Violation]:
    """Every promise that was not kept."""
    return [
        *_dense(evidence),
        *_opened_whole(evidence),
        *_durable(history, evidence),
        *_in_real_time_order(history),
        *_decided_one_by_one(evidence),
        *_mirrored(evidence),
        *_views(evidence),
        *_reads(history, evidence),
        *_effects(evidence),
        *_isolated(history),
        *_answered(history),
        *_bounded(evidence),
        *_audited(evidence),
        *_signed(evidence),
    ]


def _dense(evidence: Evidence) -> Iterator[Violation]:
    """P3: positions 1 to N, no id twice, and the head is N."""
    for expected, row in enumerate(evidence.rows, start=1):
        if row.position != expected:
            yield Violation("hole", f"position {expected} is missing", expected)
            break
    if evidence.head != len(evidence.rows):
        told = f"the head is {evidence.head}, the log has {len(evidence.rows)} events"
        yield Violation("hole", told, evidence.head)
    for id_, count in Counter(row.id for row in evidence.rows).items():
        if count > 1:
            yield Violation("duplicated", f"the event {id_} is in the log {count} times")


def _opened_whole(evidence: Evidence) -> Iterator[Violation]:
    """What the API shows of the log is the log: same positions, ids and types, for the tenants of the load."""
    shown = {one.position: one for one in evidence.opened}
    tenants = {one.tenant for one in evidence.opened}
    for row in evidence.rows:
        if row.tenant not in tenants:
            continue
        one = shown.get(row.position)
        if one is None or (one.id, one.type, one.tenant) != (row.id, row.type, row.tenant):
            yield Violation("wrong", f"the API shows another {row.type} or none", row.position)


def _durable(history: History, evidence: Evidence) -> Iterator[Violation]:
    """P1: answered with 2xx: once, with what was answered. Unknown: at most once. Refused: not at all."""
    by_marker: dict[str, list[Opened]] = {}
    for event in evidence.opened:
        marker = _marker(event)
        if marker is not None:
            by_marker.setdefault(marker, []).append(event)
    for operation in history.operations:
        found = by_marker.pop(operation.marker, [])
        what = f"{operation.kind} {operation.marker}"
        if len(found) > 1:
            where = ", ".join(str(one.position) for one in found)
            told = f"{what} ({operation.outcome}) is in the log at {where}"
            yield Violation("duplicated", told, found[0].position)
        if operation.outcome == "refused":
            yield Violation("refused", f"{what} was refused with {operation.status}")
            if found:
                yield Violation("wrong", f"{what} was refused, and done", found[0].position)
        if operation.outcome == "acked":
            if not found:
                told = f"{what}, answered with {operation.position}, is not in the log"
                yield Violation("lost", told, operation.position)
            elif fault := _differs(operation, found[0]):
                yield Violation("wrong", f"{what}: {fault}", found[0].position)
    for marker, events in by_marker.items():
        yield Violation("phantom", f"nobody sent {marker}", events[0].position)


def _marker(event: Opened) -> str | None:
    """The marker of a client's command; what agents say of it is another matter."""
    match event.type:
        case "conversation.started":
            text = event.data.get("title") or ""
        case "user.chat":
            text = event.data.get("text") or ""
        case "user.action":
            text = str((event.data.get("properties") or {}).get("marker", ""))
        case _:
            return None
    found = MARKER.search(text)
    return found[0] if found else None


def _differs(operation: Operation, event: Opened) -> str | None:
    wanted: dict[str, Any] = {
        "position": operation.position,
        "type": EVENT_OF[operation.kind],
        "tenant": operation.tenant,
        "conversation": operation.conversation,
    }
    found: dict[str, Any] = {
        "position": event.position,
        "type": event.type,
        "tenant": event.tenant,
        "conversation": event.data.get("conversation_id"),
    }
    if operation.event_id is not None:
        wanted["id"], found["id"] = operation.event_id, event.id
    match operation.kind:
        case "start":
            wanted["title"], found["title"] = f"Talk {operation.marker}", event.data.get("title")
        case "chat":
            text = f"Please repeat {operation.marker}"
            wanted["text"], found["text"] = text, event.data.get("text")
        case "action":
            wanted["properties"] = {"marker": operation.marker}
            found["properties"] = event.data.get("properties")
    return next(
        (
            f"answered with the {name} {wanted[name]}, the log has {found[name]}"
            for name in wanted
            if wanted[name] != found[name]
        ),
        None,
    )


def _in_real_time_order(history: History) -> Iterator[Violation]:
    """P2: what was sent after something was answered stands behind it."""
    acked = [one for one in history.operations if one.outcome == "acked"]
    by_answer = sorted(acked, key=lambda one: one.answered_at or 0.0)
    last = 0
    at = 0
    for operation in sorted(acked, key=lambda one: one.sent_at):
        while at < len(by_answer) and (by_answer[at].answered_at or 0.0) < operation.sent_at:
            last = max(last, by_answer[at].position or 0)
            at += 1
        if (operation.position or 0) <= last:
            told = f"{operation.marker} was sent after {last} was answered"
            yield Violation("order", told, operation.position)


def _decided_one_by_one(evidence: Evidence) -> Iterator[Violation]:
    """P2: of what many change at once, each version was decided on the one before it."""
    expected: Counter[tuple[str, str]] = Counter()
    for event in evidence.opened:
        if event.type == "agent.defined":
            agent = event.tenant, event.data["agent"]
            expected[agent] += 1
            if event.data["agent_version"] != expected[agent]:
                told = f"version {event.data['agent_version']} of {agent[1]} is the {expected[agent]}th"
                yield Violation("wrong", told, event.position)


def _mirrored(evidence: Evidence) -> Iterator[Violation]:
    """P4: the message at sequence s is the event at position s, and the last is N."""
    if evidence.last_sequence != evidence.head:
        told = f"the broker ends at {evidence.last_sequence}, the log at {evidence.head}"
        yield Violation("broker", told, evidence.head)
    rows = {row.position: row for row in evidence.rows}
    opened = {one.position: one for one in evidence.opened}
    sequences = [one.sequence for one in evidence.messages]
    first = sequences[0] if sequences else 1
    for missing in sorted(set(range(first, evidence.head + 1)) - set(sequences)):
        yield Violation("broker", f"sequence {missing} is missing", missing)
    for message in evidence.messages:
        row, event = rows.get(message.sequence), opened.get(message.sequence)
        if row is None or message.id != row.id:
            told = f"has the event {message.id}, the log {row.id if row else 'none'}"
            yield Violation("broker", told, message.sequence)
        elif event is not None and message.data != event.data:
            yield Violation("broker", "has other data than the log", message.sequence)


def _views(evidence: Evidence) -> Iterator[Violation]:
    """P5: every conversation as the API answers it is what its events come to."""
    folded = folded_conversations(evidence.opened)
    for conversation, answer in evidence.transcripts.items():
        expected = folded.get(conversation)
        shown = shown_conversation(answer)
        if expected != shown:
            yield Violation(
                "view", f"conversation {conversation}: {first_difference(expected, shown)}"
            )


def _reads(history: History, evidence: Evidence) -> Iterator[Violation]:
    """P7: an answer with `min_position` has it. P6: nothing is shown that is not in the log."""
    opened = {one.position: one for one in evidence.opened}
    for read in history.reads:
        where = f"conversation {read.conversation} at {read.at:g} s"
        if read.view_position < read.min_position or not read.found:
            told = f"{where}: {read.min_position} was asked for, {read.view_position} answered, without {read.expected}"
            yield Violation("stale", told, read.min_position)
        if read.view_position > evidence.head:
            yield Violation("phantom", f"{where}: reflects {read.view_position}, beyond the log")
        for position, id_, _ in read.shown:
            event = opened.get(position)
            if event is None or id_ not in (event.id, event.data.get("run_id")):
                yield Violation("phantom", f"{where}: shows {id_}, which is not there", position)


def _effects(evidence: Evidence) -> Iterator[Violation]:
    """P9: every question has one end, a reply is what the provider said about it, in full."""
    ends: dict[str, list[Opened]] = {}
    questions = {one.id: one for one in evidence.opened if one.type == "user.chat"}
    for event in evidence.opened:
        if event.type in ENDS:
            ends.setdefault(event.data["in_reply_to"], []).append(event)
    for id_, question in questions.items():
        found = ends.get(id_, [])
        marker = _marker(question) or ""
        if len(found) != 1:
            where = ", ".join(str(one.position) for one in found) or "nowhere"
            told = f"the question {marker} has {len(found)} ends ({where})"
            yield Violation("effect", told, question.position)
        for end in found:
            if end.type == "agent.replied" and end.data["text"] != reply_to(marker):
                told = f"the reply to {marker} is {end.data['text'][:80]!r}"
                yield Violation("effect", told, end.position)
            if end.type == "agent.replied" and not evidence.completed[marker]:
                told = f"a reply to {marker}, which the provider never answered"
                yield Violation("effect", told, end.position)


def _isolated(history: History) -> Iterator[Violation]:
    """P10: nobody was ever answered with what another tenant said."""
    for leak in history.leaks:
        told = f"{leak.tenant} got another tenant's words from {leak.request}"
        yield Violation("canary", told)


def _answered(history: History) -> Iterator[Violation]:
    """P11: nobody waits without end, whatever is broken."""
    for hang in history.hangs:
        yield Violation("hang", f"no answer to {hang.request}, sent at {hang.at:g} s")


def _bounded(evidence: Evidence) -> Iterator[Violation]:
    """P11: memory and descriptors of every process."""
    for name, rss in evidence.rss_bytes_max.items():
        if rss > RSS_BYTES_MAX:
            yield Violation("unbounded", f"{name} took {rss >> 20} MiB")
    for name, descriptors in evidence.descriptors_max.items():
        if descriptors > DESCRIPTORS_MAX:
            yield Violation("unbounded", f"{name} held {descriptors} descriptors")


def _audited(evidence: Evidence) -> Iterator[Violation]:
    """P5 for every view: the system's own audit agrees."""
    if not evidence.audit_passed:
        yield Violation("audit", f"`aigestion audit verify` says: {evidence.audit_said[-600:]}")


def _signed(evidence: Evidence) -> Iterator[Violation]:
    """P8: there are checkpoints, up to the last event; each is signed, and the log is what was signed."""
    for message, position in faults_of(evidence.signed):
        yield Violation("signed", message, position)
