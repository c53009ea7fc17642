"""The log against itself: each way of tampering is found, at its first bad position."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from aigestion.audit import log as log_check
from aigestion.audit.finding import Finding, OpenedLog
from aigestion.audit.log import verify_log
from aigestion.events.conversation import UserChat
from aigestion.events.recorded import Recorded
from aigestion.eventstore.port import SequencedEvent
from aigestion.kernel.errors import Unavailable
from tests.unit.audit.histories import ASKED, STORY, WHO, Truth, ignore


@pytest.fixture
async def truth(tmp_path: Path) -> Truth:
    truth = Truth(tmp_path)
    await truth.tell()
    return truth


async def verified(truth: Truth, head: int | None = None) -> Finding:
    head = await truth.history.head() if head is None else head
    return await verify_log(truth.log, head=head, progress=ignore)


def fault(finding: Finding) -> tuple[int, str]:
    assert finding.fault is not None
    return finding.fault.position, finding.fault.message


async def test_a_true_history_passes(truth: Truth) -> None:
    finding = await verified(truth)

    assert (finding.passed, finding.checked) == (True, len(STORY))


async def test_an_empty_log_passes(tmp_path: Path) -> None:
    finding = await verified(Truth(tmp_path), head=0)

    assert (finding.passed, finding.checked) == (True, 0)


async def test_a_hole_is_named_by_the_position_that_is_missing(truth: Truth) -> None:
    del truth.history.rows[2]

    finding = await verified(truth)

    assert fault(finding) == (3, "is missing: position 4 follows 2")
    assert finding.checked == 2


async def test_a_lost_tail_is_found_by_the_head(truth: Truth) -> None:
    del truth.history.rows[3:]

    finding = await verified(truth, head=5)

    assert fault(finding) == (4, "is missing: the log's head is 5")


async def test_an_event_beyond_the_head_is_found(truth: Truth) -> None:
    truth.history._head = 4

    assert fault(await verified(truth))[0] == 5


async def test_events_that_come_meanwhile_are_no_fault(truth: Truth) -> None:
    finding = await verified(truth, head=3)

    assert (finding.passed, finding.checked) == (True, 3)


async def test_positions_out_of_order_are_found(truth: Truth) -> None:
    rows = truth.history.rows
    rows[1], rows[2] = rows[2], rows[1]

    assert fault(await verified(truth))[0] == 2


async def test_an_id_used_twice_is_found_with_both_positions(truth: Truth) -> None:
    first = truth.history.rows[0].event
    truth.history.rows[4] = msgspec.structs.replace(truth.history.rows[4], event=first)

    position, message = fault(await verified(truth))

    assert position == 5
    assert "position 1" in message


async def test_a_changed_ciphertext_does_not_open(truth: Truth) -> None:
    data = truth.history.rows[1].event.data
    at = data.index(b'"sealed":"') + 60
    other = b"A" if data[at : at + 1] != b"A" else b"B"
    truth.history.change(2, data=data[:at] + other + data[at + 1 :])

    assert fault(await verified(truth))[0] == 2


async def test_data_of_another_event_does_not_open(truth: Truth) -> None:
    await truth.tell([UserChat(**WHO, text="another")])
    truth.history.change(2, data=truth.history.rows[5].event.data)

    assert fault(await verified(truth))[0] == 2


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b'{"text":1}'])
async def test_data_that_has_not_the_shape_of_its_type_is_found(truth: Truth, data: bytes) -> None:
    truth.history.change(3, data=data)

    assert fault(await verified(truth))[0] == 3


async def test_a_type_nobody_knows_is_found(truth: Truth) -> None:
    truth.history.change(3, type="run.dreamt")

    position, message = fault(await verified(truth))

    assert position == 3
    assert "run.dreamt" in message


async def test_a_version_from_the_future_is_found(truth: Truth) -> None:
    truth.history.change(4, schema_version=99)

    assert fault(await verified(truth))[0] == 4


async def test_a_tag_taken_away_is_found(truth: Truth) -> None:
    truth.history.change(2, tags=("demo/user:ana",))

    position, message = fault(await verified(truth))

    assert position == 2
    assert "conversation:" in message


async def test_an_event_moved_to_another_tenant_does_not_open(truth: Truth) -> None:
    truth.history.change(2, tenant="other")

    assert fault(await verified(truth))[0] == 2


async def test_a_lost_blob_is_found(truth: Truth) -> None:
    await truth.tell([UserChat(**WHO, text="long " * 10_000)])
    truth.blobs._contents.clear()

    assert fault(await verified(truth))[0] == 6


async def test_the_first_of_several_faults_is_named(truth: Truth) -> None:
    truth.history.change(4, data=b"{}")
    truth.history.change(2, data=b"{}")

    assert fault(await verified(truth))[0] == 2


async def test_an_erased_subject_is_no_fault(truth: Truth) -> None:
    await truth.vault.destroy("demo", "user:ana")

    assert (await verified(truth)).passed


async def test_an_engine_that_is_away_is_no_fault_of_the_log(truth: Truth) -> None:
    async def away(_: str) -> bytes:
        raise Unavailable("the database does not answer")

    await truth.tell([UserChat(**WHO, text="long " * 10_000)])
    truth.blobs.get = away  # type: ignore[method-assign]

    with pytest.raises(Unavailable):
        await verified(truth)


async def test_the_log_is_read_in_pages(truth: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_check, "PAGE_EVENTS_MAX", 2)
    reached: list[int] = []
    await truth.tell([ASKED])
    truth.history.change(6, id=truth.history.rows[0].event.id, data=b"")

    finding = await verify_log(truth.log, head=5, progress=reached.append)

    assert finding.passed
    assert reached == [2, 4, 5]
    assert max(truth.history.pages) == 2


async def test_a_position_given_twice_is_found(truth: Truth) -> None:
    truth.history.rows.insert(2, truth.history.rows[1])

    assert fault(await verified(truth)) == (2, "comes after position 2")


async def test_an_older_shape_may_lack_a_tag_its_upcaster_added(truth: Truth) -> None:
    async def opened_older(stored: SequencedEvent) -> Recorded[Any]:
        return msgspec.structs.replace(await truth.codec.open(stored), schema_version=0)

    truth.history.change(2, tags=("demo/user:ana",))

    finding = await verify_log(OpenedLog(truth.history, opened_older), head=5, progress=ignore)

    assert finding.passed
