"""The broker against the log: each way of tampering is found, at its first bad position."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from aigestion.audit.broker import CLOCK_SLACK, verify_broker
from aigestion.audit.finding import Finding
from aigestion.events.conversation import UserChat
from aigestion.messaging.port import Message
from tests.unit.audit.histories import RECORDED, STORY, WHO, Stream, Truth, ignore

NOW = RECORDED + timedelta(hours=1)
LAST = len(STORY)


@pytest.fixture
async def truth(tmp_path: Path) -> Truth:
    truth = Truth(tmp_path)
    await truth.tell()
    return truth


@pytest.fixture
async def stream(truth: Truth) -> Stream:
    return Stream(await truth.messages(), LAST)


async def verified(truth: Truth, stream: Stream, **options: object) -> Finding:
    options = {"now": NOW, "head": await truth.history.head(), "progress": ignore, **options}
    return await verify_broker(truth.log, truth.catalog, stream, **options)  # type: ignore[arg-type]


def tamper(stream: Stream, position: int, **fields: object) -> None:
    """Change the message at a position."""
    at = next(i for i, message in enumerate(stream.held) if message.position == position)
    stream.held[at] = msgspec.structs.replace(stream.held[at], **fields)


def position_of_fault(finding: Finding) -> int | None:
    return finding.fault.position if finding.fault else None


async def test_a_true_mirror_passes(truth: Truth, stream: Stream) -> None:
    finding = await verified(truth, stream)

    assert (finding.passed, finding.checked, finding.note) == (True, LAST, None)


@pytest.mark.parametrize("position", [2, 3, 5])
async def test_a_missing_message_is_found(truth: Truth, stream: Stream, position: int) -> None:
    del stream.held[position - 1]

    assert position_of_fault(await verified(truth, stream)) == position


async def test_changed_data_is_found(truth: Truth, stream: Stream) -> None:
    changed = stream.held[1].data.replace(b"posici", b"opinio")
    assert changed != stream.held[1].data
    tamper(stream, 2, data=changed)

    assert position_of_fault(await verified(truth, stream)) == 2


async def test_data_that_is_no_event_is_found(truth: Truth, stream: Stream) -> None:
    tamper(stream, 2, data=b"{}")

    assert position_of_fault(await verified(truth, stream)) == 2


async def test_data_taken_away_behind_a_reference_is_found(truth: Truth, stream: Stream) -> None:
    headers = {**stream.held[1].headers, "ce-dataref": "/v1/events?after=1&limit=1"}
    tamper(stream, 2, data=b"{}", headers=headers)

    assert position_of_fault(await verified(truth, stream)) == 2


async def test_another_id_is_found(truth: Truth, stream: Stream) -> None:
    headers = {**stream.held[3].headers, "ce-id": stream.held[0].headers["ce-id"]}
    tamper(stream, 4, headers=headers)

    assert position_of_fault(await verified(truth, stream)) == 4


async def test_a_message_on_anothers_subject_is_found(truth: Truth, stream: Stream) -> None:
    tamper(stream, 2, subject="events.other.user.chat")

    assert position_of_fault(await verified(truth, stream)) == 2


async def test_a_broker_ahead_of_the_log_is_found(truth: Truth, stream: Stream) -> None:
    del truth.history.rows[3:]

    assert position_of_fault(await verified(truth, stream)) == 4


async def test_what_retention_dropped_is_told(truth: Truth, stream: Stream) -> None:
    del stream.held[:2]

    finding = await verified(truth, stream, now=RECORDED + timedelta(days=8))

    assert (finding.passed, finding.checked) == (True, 3)
    assert finding.note == "retention has dropped 1 to 2"


async def test_a_stream_that_retention_emptied_passes(truth: Truth, stream: Stream) -> None:
    stream.held.clear()

    finding = await verified(truth, stream, now=RECORDED + timedelta(days=8))

    assert (finding.passed, finding.note) == (True, f"retention has dropped 1 to {LAST}")


async def test_what_went_too_early_is_found_at_its_first_position(
    truth: Truth, stream: Stream
) -> None:
    del stream.held[:4]
    stream.retention = timedelta(minutes=30)
    two_are_old = RECORDED + timedelta(minutes=2) - CLOCK_SLACK + stream.retention

    finding = await verified(truth, stream, now=two_are_old)

    assert position_of_fault(finding) == 3


async def test_a_stream_emptied_too_early_is_found(truth: Truth, stream: Stream) -> None:
    stream.held.clear()

    assert position_of_fault(await verified(truth, stream)) == 1


async def test_what_waits_for_the_relay_at_rest_is_told(truth: Truth, stream: Stream) -> None:
    del stream.held[3:]
    stream.last = 3

    finding = await verified(truth, stream)

    assert (finding.passed, finding.note) == (True, "2 events wait for the relay")


async def test_a_relay_that_brings_nothing_is_found(truth: Truth, stream: Stream) -> None:
    del stream.held[3:]
    stream.last = 3

    assert position_of_fault(await verified(truth, stream, relay_seconds=0.1)) == 4


async def test_without_a_stream_there_is_nothing_to_compare(truth: Truth) -> None:
    finding = await verified(truth, Stream([], None))

    assert finding.passed
    assert finding.note is not None


async def test_what_was_erased_since_is_no_difference(truth: Truth, stream: Stream) -> None:
    await truth.vault.destroy("demo", "user:ana")

    assert (await verified(truth, stream)).passed


async def test_other_fields_of_an_erased_event_still_count(truth: Truth, stream: Stream) -> None:
    await truth.vault.destroy("demo", "user:ana")
    tamper(stream, 5, data=stream.held[4].data.replace(b'"assistant"', b'"impostor."'))

    assert position_of_fault(await verified(truth, stream)) == 5


async def test_a_large_event_is_compared_by_its_reference(truth: Truth) -> None:
    await truth.tell([UserChat(**WHO, text="long " * 200_000)])
    messages: list[Message] = await truth.messages()
    assert "ce-dataref" in messages[5].headers

    finding = await verified(truth, Stream(messages, 6))

    assert (finding.passed, finding.checked) == (True, 6)


async def test_a_message_whose_event_the_log_has_lost_is_found(
    truth: Truth, stream: Stream
) -> None:
    del truth.history.rows[1]

    assert position_of_fault(await verified(truth, stream)) == 2


async def test_an_event_that_does_not_open_is_found_here_too(truth: Truth, stream: Stream) -> None:
    truth.history.change(3, data=b"{}")

    assert position_of_fault(await verified(truth, stream)) == 3


async def test_a_shape_of_another_version_is_compared_by_its_id(
    truth: Truth, stream: Stream
) -> None:
    headers = {**stream.held[1].headers, "ce-dataschema": "urn:aigestion:user.chat:0"}
    tamper(stream, 2, data=b'{"said":"otherwise"}', headers=headers)

    assert (await verified(truth, stream)).passed


async def test_a_relay_that_is_at_the_head_is_not_waited_for(truth: Truth, stream: Stream) -> None:
    finding = await verified(truth, stream, relay_seconds=60)

    assert (finding.passed, finding.note) == (True, None)


async def test_what_was_appended_and_relayed_meanwhile_is_no_fault(
    truth: Truth, stream: Stream
) -> None:
    finding = await verified(truth, stream, head=3)

    assert (finding.passed, finding.checked) == (True, 3)
