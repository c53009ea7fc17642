"""The checker against hand-made runs: a right one passes, and each promise broken by hand is found."""

import base64
import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from aigestion.prove.checker import violations
from aigestion.prove.evidence import Evidence, Mirrored, Opened, Row
from aigestion.prove.history import Hang, History, Leak, Operation, Read
from aigestion.prove.signed import Note, Signed

MARKS = [f"mark-aaaaaaaaaaaa-{n:08d}" for n in range(9)]
TALK = "01900000-0000-7000-8000-00000000000c"
RUN = "01900000-0000-7000-8000-0000000000ff"


class Run:
    """A conversation that was started, an action, a question and its reply: five events, all as it should be."""

    def __init__(self, folder: Path) -> None:
        self.history = History(folder / "history.jsonl")
        self.opened = [
            _event(1, "conversation.started", title=f"Talk {MARKS[0]}"),
            _event(2, "user.action", name="clicked", properties={"marker": MARKS[1]}),
            _event(3, "user.chat", text=f"Please repeat {MARKS[2]}"),
            _event(4, "run.started", run_id=RUN, in_reply_to=_id(3)),
            _event(
                5, "agent.replied", run_id=RUN, in_reply_to=_id(3), text=f"You said {MARKS[2]}."
            ),
        ]
        self.history.operations += [
            _operation("start", 0, position=1, event_id=None),
            _operation("action", 1, position=2, event_id=_id(2)),
            _operation("chat", 2, position=3, event_id=_id(3)),
        ]
        self.history.reads.append(
            Read(
                tenant="acme",
                conversation=TALK,
                min_position=2,
                expected=MARKS[1],
                at=3.0,
                view_position=2,
                shown=[(2, _id(2), "")],
                found=True,
            )
        )
        self.transcript: dict[str, Any] = {
            "title": f"Talk {MARKS[0]}",
            "messages": [
                _message(2, _id(2), "user", "final", ""),
                _message(3, _id(3), "user", "final", f"Please repeat {MARKS[2]}"),
                _message(5, RUN, "assistant", "final", f"You said {MARKS[2]}."),
            ],
        }
        self.evidence = Evidence(
            head=5,
            rows=[Row(one.position, one.id, one.type, one.tenant) for one in self.opened],
            signed=_signed(5),
            opened=self.opened,
            last_sequence=5,
            messages=[Mirrored(one.position, one.id, one.data) for one in self.opened],
            transcripts={TALK: self.transcript},
            asked=Counter({MARKS[2]: 1}),
            completed=Counter({MARKS[2]: 1}),
            audit_passed=True,
            audit_said="",
            rss_bytes_max={"api-1": 200 << 20},
            descriptors_max={"api-1": 40},
        )

    @property
    def found(self) -> set[str]:
        return {one.kind for one in violations(self.history, self.evidence)}

    def say(self, position: int, **fields: Any) -> None:
        """Change what the log and the broker hold there, both alike."""
        event = self.opened[position - 1]
        changed = msgspec.structs.replace(event, data=event.data | fields)
        self.opened[position - 1] = changed
        self.evidence.messages[position - 1] = Mirrored(position, changed.id, changed.data)

    def append(self, type_: str, **fields: Any) -> None:
        """One event more, everywhere but in the conversation as it is shown."""
        event = _event(len(self.opened) + 1, type_, **fields)
        self.opened.append(event)
        self.evidence.rows.append(Row(event.position, event.id, event.type, event.tenant))
        self.evidence.messages.append(Mirrored(event.position, event.id, event.data))
        self.evidence.head = self.evidence.last_sequence = event.position

    def forget(self, position: int) -> None:
        """One event less: gone from the log, and still in the broker."""
        self.evidence.rows = [one for one in self.evidence.rows if one.position != position]
        self.evidence.opened = [one for one in self.opened if one.position != position]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_a_run_that_kept_every_promise_has_no_violation(run: Run) -> None:
    assert violations(run.history, run.evidence) == []


def test_an_unknown_outcome_may_be_in_the_log_or_not(run: Run) -> None:
    run.history.operations[1].outcome = "unknown"
    run.history.operations.append(_operation("action", 7, position=None, outcome="unknown"))

    assert run.found == set()


def test_versions_that_follow_each_other_are_right(run: Run) -> None:
    run.append("agent.defined", agent="one", agent_version=1)
    run.append("agent.defined", agent="other", agent_version=1)
    run.append("agent.defined", agent="one", agent_version=2)

    assert run.found == set()


def _lost(run: Run) -> None:
    run.history.operations.append(_operation("action", 7, position=6))


def _unknown_twice(run: Run) -> None:
    run.history.operations.append(_operation("action", 7, position=None, outcome="unknown"))
    run.append("user.action", properties={"marker": MARKS[7]})
    run.append("user.action", properties={"marker": MARKS[7]})


def _twice(run: Run) -> None:
    run.append("user.action", properties={"marker": MARKS[1]})


def _one_id_twice(run: Run) -> None:
    run.evidence.rows[1] = msgspec.structs.replace(run.evidence.rows[1], id=_id(3))


def _wrong_payload(run: Run) -> None:
    run.say(3, text=f"Please repeat after me {MARKS[2]}")


def _wrong_position(run: Run) -> None:
    run.history.operations[2].position = 4


def _wrong_id(run: Run) -> None:
    run.history.operations[2].event_id = _id(4)


def _wrong_conversation(run: Run) -> None:
    run.history.operations[2].conversation = RUN


def _api_shows_another_log(run: Run) -> None:
    run.opened[3] = msgspec.structs.replace(run.opened[3], type="run.ended")


def _done_though_refused(run: Run) -> None:
    run.history.operations[1].outcome = "refused"


def _from_nobody(run: Run) -> None:
    run.append("user.action", properties={"marker": MARKS[8]})


def _hole(run: Run) -> None:
    run.forget(4)


def _head_beyond(run: Run) -> None:
    run.evidence.head = run.evidence.last_sequence = 6


def _out_of_order(run: Run) -> None:
    first, last = run.history.operations[1], run.history.operations[2]
    first.sent_at, first.answered_at = last.answered_at or 0.0, (last.answered_at or 0.0) + 1
    first.sent_at += 0.5


def _broker_short(run: Run) -> None:
    run.evidence.last_sequence = 4
    run.evidence.messages.pop()


def _broker_hole(run: Run) -> None:
    del run.evidence.messages[2]


def _broker_body(run: Run) -> None:
    run.evidence.messages[2] = Mirrored(3, _id(3), {"text": "something else"})


def _broker_id(run: Run) -> None:
    run.evidence.messages[2] = Mirrored(3, _id(4), run.opened[2].data)


def _view_text(run: Run) -> None:
    run.transcript["messages"][1]["text"] = "Please repeat nothing"


def _view_short(run: Run) -> None:
    del run.transcript["messages"][2]


def _view_gone(run: Run) -> None:
    run.evidence.transcripts[TALK] = {"status": 404}


def _view_title(run: Run) -> None:
    run.transcript["title"] = "Another"


def _stale_read(run: Run) -> None:
    run.history.reads[0].view_position = 1


def _read_without_it(run: Run) -> None:
    run.history.reads[0].found = False


def _phantom_read(run: Run) -> None:
    run.history.reads[0].shown.append((9, _id(9), ""))


def _two_replies(run: Run) -> None:
    run.append("agent.replied", run_id=RUN, in_reply_to=_id(3), text=f"You said {MARKS[2]}.")


def _no_end(run: Run) -> None:
    run.append("user.chat", text="Nobody answers")


def _another_answer(run: Run) -> None:
    run.say(5, text="You said nothing.")


def _never_said(run: Run) -> None:
    run.evidence.completed.clear()


def _canary(run: Run) -> None:
    run.history.leaks.append(Leak(tenant="acme", request="GET /v1/conversations", at=1.0))


def _decided_on_something_old(run: Run) -> None:
    run.append("agent.defined", agent="one", agent_version=1)
    run.append("agent.defined", agent="other", agent_version=1)
    run.append("agent.defined", agent="one", agent_version=1)


def _hangs(run: Run) -> None:
    run.history.hangs.append(Hang(request="POST /v1/conversations", at=1.0))


def _fat(run: Run) -> None:
    run.evidence.rss_bytes_max["api-1"] = 2 << 30


def _leaky(run: Run) -> None:
    run.evidence.descriptors_max["api-1"] = 5_000


def _audit(run: Run) -> None:
    run.evidence.audit_passed = False


def _nothing_signed(run: Run) -> None:
    run.evidence.signed.notes.clear()


def _end_not_signed(run: Run) -> None:
    run.evidence.signed.notes.pop()


def _changed_after_it_was_signed(run: Run) -> None:
    run.evidence.signed.leaves[1] = bytes(32)


def _cut_off_after_it_was_signed(run: Run) -> None:
    run.evidence.signed.leaves.pop()


def _signed_by_somebody_else(run: Run) -> None:
    run.evidence.signed.public_key = _key(1).public_key().public_bytes_raw()


def _signature_of_another(run: Run) -> None:
    notes = run.evidence.signed.notes
    notes[0] = msgspec.structs.replace(notes[0], note=notes[1].note)


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (_lost, "lost"),
        (_unknown_twice, "duplicated"),
        (_twice, "duplicated"),
        (_one_id_twice, "duplicated"),
        (_wrong_payload, "wrong"),
        (_wrong_position, "wrong"),
        (_wrong_id, "wrong"),
        (_wrong_conversation, "wrong"),
        (_api_shows_another_log, "wrong"),
        (_done_though_refused, "refused"),
        (_done_though_refused, "wrong"),
        (_from_nobody, "phantom"),
        (_hole, "hole"),
        (_head_beyond, "hole"),
        (_out_of_order, "order"),
        (_broker_short, "broker"),
        (_broker_hole, "broker"),
        (_broker_body, "broker"),
        (_broker_id, "broker"),
        (_view_text, "view"),
        (_view_short, "view"),
        (_view_gone, "view"),
        (_view_title, "view"),
        (_stale_read, "stale"),
        (_read_without_it, "stale"),
        (_phantom_read, "phantom"),
        (_two_replies, "effect"),
        (_no_end, "effect"),
        (_another_answer, "effect"),
        (_never_said, "effect"),
        (_canary, "canary"),
        (_decided_on_something_old, "wrong"),
        (_hangs, "hang"),
        (_fat, "unbounded"),
        (_leaky, "unbounded"),
        (_audit, "audit"),
        (_nothing_signed, "signed"),
        (_end_not_signed, "signed"),
        (_changed_after_it_was_signed, "signed"),
        (_cut_off_after_it_was_signed, "signed"),
        (_signed_by_somebody_else, "signed"),
        (_signature_of_another, "signed"),
    ],
)
def test_a_broken_promise_is_found(run: Run, broken: Callable[[Run], None], kind: str) -> None:
    broken(run)

    assert kind in run.found


def _key(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number] * 32))


def _signed(events: int) -> Signed:
    """Two checkpoints, of all events but two and of all, written by hand as the format says."""
    leaves = [hashlib.sha256(bytes([n])).digest() for n in range(events)]
    public = _key(0).public_key().public_bytes_raw()
    key_id = hashlib.sha256(b"log\n\x01" + public).digest()[:4]
    notes = []
    for size in (events - 2, events):
        tree = leaves[:size]
        while (
            len(tree) > 1
        ):  # pairs, and what is left over goes up as it is: RFC 9162, section 2.1.2
            pairs = [tree[n : n + 2] for n in range(0, len(tree), 2)]
            tree = [
                hashlib.sha256(b"\x01" + b"".join(p)).digest() if p[1:] else p[0] for p in pairs
            ]
        text = f"log\n{size}\n{base64.b64encode(tree[0]).decode()}\n"
        signature = base64.b64encode(key_id + _key(0).sign(text.encode())).decode()
        notes.append(Note(size, tree[0], f"{text}\n— log {signature}\n"))
    return Signed(leaves=leaves, notes=notes, public_key=public)


def _id(position: int) -> str:
    return f"01900000-0000-7000-8000-{position:012d}"


def _event(position: int, type_: str, **fields: Any) -> Opened:
    return Opened(position, _id(position), type_, "acme", {"conversation_id": TALK, **fields})


def _message(position: int, id_: str, role: str, state: str, text: str) -> dict[str, Any]:
    return {"position": position, "id": id_, "role": role, "state": state, "text": text}


def _operation(
    kind: Any,
    number: int,
    *,
    position: int | None,
    event_id: str | None = None,
    outcome: Any = "acked",
) -> Operation:
    return Operation(
        client=0,
        tenant="acme",
        kind=kind,
        key=f"key-{number}",
        marker=MARKS[number],
        conversation=TALK,
        sent_at=float(number),
        answered_at=number + 0.5,
        outcome=outcome,
        position=position,
        event_id=event_id,
        tries=1,
        status=202,
    )
