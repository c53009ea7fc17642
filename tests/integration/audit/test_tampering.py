"""A superuser with the triggers off against the audit: each way of tampering is found, at its first bad position.

Thirteen events, checkpoints of 4, 8 and 12: the last event is not signed for yet.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import pytest

from aigestion.audit import notary as notary_module
from aigestion.audit.checkpoints import AgainstCheckpoints
from aigestion.audit.finding import Finding, OpenedLog
from aigestion.audit.leaf import leaf_of
from aigestion.audit.log import verify_log
from aigestion.audit.merkle import Frontier
from aigestion.audit.notary import Notary
from aigestion.audit.note import PublicKey, Signer, opened
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.memory import MemoryBlobStore
from aigestion.eventstore.pool import opened_pool
from aigestion.eventstore.postgres import PostgresCheckpointStore, PostgresEventStore
from aigestion.messaging.leader import PostgresLeadership
from tests.support.event_log import EventLog
from tests.support.log import migrated
from tests.support.tasks import eventually, running

SIGNER = Signer("aigestion.log/demo", bytes(range(32)))
FOREIGN = Signer("aigestion.log/demo", bytes(32))
EVENTS, SIZES = 13, [4, 8, 12]
FLIP = "UPDATE log.events SET data = set_byte(data, $2, get_byte(data, $2) # 1) WHERE position = $1"
COLUMNS = (
    "occurred_at, recorded_at, id, correlation_id, causation_id, schema_version, type, tenant, "
    "actor, tags, data"
)


class Scene:
    """A signed log, its superuser, and the notes that somebody kept elsewhere."""

    def __init__(self, pool: Any, store: PostgresEventStore, owner: Any, url: str) -> None:
        self.log = EventLog(store)
        self.checkpoints = PostgresCheckpointStore(pool)
        self.owner = owner
        self.url = url
        self.kept: list[str] = []

    def notary(self, seat: str = "notary", seconds: float = 60.0) -> Notary:
        return Notary(
            self.log.store,
            self.checkpoints,
            SIGNER,
            PostgresLeadership(self.url, seat),
            unsigned_seconds_max=seconds,
            poll_seconds=0.02,
        )

    async def signed(self, size: int) -> None:
        async with running((notary := self.notary()).run()):
            await eventually(lambda: notary.size == size)

    async def found(
        self, elsewhere: Sequence[str] = (), keys: Sequence[PublicKey] = (SIGNER.public,)
    ) -> dict[str, Finding]:
        """What an audit says of the log and of its checkpoints."""
        log, store = self.log, self.log.store
        codec = Codec(log.catalog, log.vault, MemoryBlobStore())
        against = AgainstCheckpoints(
            self.checkpoints, keys, [opened(note, keys) for note in elsewhere]
        )
        head = await store.head()
        await against.begin()
        of_log = await verify_log(
            OpenedLog(store, codec.open), head=head, progress=lambda _: None, see=against.see
        )
        return {"log": of_log, "checkpoints": await against.finding(store, head)}

    async def first_bad(
        self, elsewhere: Sequence[str] = (), keys: Sequence[PublicKey] = (SIGNER.public,)
    ) -> int | None:
        """The first bad position of all; None if nothing was found."""
        found = (await self.found(elsewhere, keys)).values()
        return min((one.fault.position for one in found if one.fault), default=None)

    async def byte_of(self, position: int, text: bytes) -> int:
        data = await self.owner.fetchval(
            "SELECT data FROM log.events WHERE position = $1", position
        )
        return bytes(data).index(text)

    async def sign_anew(self, signer: Signer) -> None:
        """All checkpoints again, for the log as it is now."""
        await self.owner.execute("DELETE FROM log.checkpoints")
        tree, leaves = Frontier(), list[bytes]()
        for stored in await self.log.store.read():
            tree.append(leaf := leaf_of(stored))
            leaves.append(leaf)
            if tree.size in SIZES:
                note = signer.sign(tree.size, tree.root())
                peaks = b"".join(tree.peaks)
                await self.checkpoints.add(tree.size, tree.root(), b"".join(leaves), peaks, note)
                leaves = []


@pytest.fixture
async def scene(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(notary_module, "EVENTS_MAX", 4)
    url = await migrated(database_url)
    async with opened_pool(url, connections_max=4) as pool:
        store = PostgresEventStore(pool, url)
        await store.start()
        owner = await asyncpg.connect(database_url)
        scene = Scene(pool, store, owner, url)
        await scene.log.record_chats(EVENTS)
        await scene.signed(12)
        scene.kept = [one.note for one in await scene.checkpoints.read(limit=99)]
        for table in ("log.events", "log.checkpoints"):
            await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        yield scene
        await owner.close()
        await store.close()


async def test_a_true_log_passes_with_and_without_what_was_kept_elsewhere(scene: Scene) -> None:
    found = await scene.found()

    assert found["log"].passed
    assert (found["checkpoints"].passed, found["checkpoints"].checked) == (True, 3)
    assert found["checkpoints"].note == "positions 13 to 13 are not signed for"
    assert await scene.first_bad(scene.kept) is None


@pytest.mark.parametrize("position", [1, 4, 5, 11, 12])
async def test_one_bit_of_a_payload_that_still_opens(scene: Scene, position: int) -> None:
    await scene.owner.execute(FLIP, position, await scene.byte_of(position, b"assistant"))

    found = await scene.found()

    assert found["log"].passed
    assert found["checkpoints"].fault is not None
    assert found["checkpoints"].fault.position == position


@pytest.mark.parametrize("position", [1, 7, 12, 13])
async def test_one_bit_of_what_is_sealed(scene: Scene, position: int) -> None:
    at = await scene.byte_of(position, b'"sealed":"') + 60
    await scene.owner.execute(FLIP, position, at)

    assert await scene.first_bad() == position


async def test_the_earlier_of_two_faults_of_which_only_the_later_one_does_not_open(
    scene: Scene,
) -> None:
    await scene.owner.execute(FLIP, 6, await scene.byte_of(6, b"assistant"))
    await scene.owner.execute(FLIP, 7, await scene.byte_of(7, b'"sealed":"') + 60)

    assert await scene.first_bad() == 6


@pytest.mark.parametrize(
    "change",
    ["actor = 'user:eve'", "recorded_at = recorded_at + interval '1 microsecond'",
     "occurred_at = occurred_at - interval '1 day'", "correlation_id = gen_random_uuid()",
     "causation_id = id", "recorded_at = 'infinity'", "tags = tags || 'demo/more:1'::text",
     "tags = tags[2:] || tags[1]"],
)  # fmt: skip
async def test_any_other_column(scene: Scene, change: str) -> None:
    await scene.owner.execute(f"UPDATE log.events SET {change} WHERE position = 10")

    assert await scene.first_bad() == 10


@pytest.mark.parametrize("position", [1, 4, 5, 12])
async def test_a_row_deleted(scene: Scene, position: int) -> None:
    await scene.owner.execute("DELETE FROM log.events WHERE position = $1", position)

    assert await scene.first_bad() == position


async def test_a_row_deleted_and_the_rest_moved_up(scene: Scene) -> None:
    await scene.owner.execute("DELETE FROM log.events WHERE position = 6")
    for position in range(7, EVENTS + 1):
        await scene.owner.execute(
            "UPDATE log.events SET position = position - 1 WHERE position = $1", position
        )

    assert await scene.first_bad() == 6


async def test_two_rows_swapped(scene: Scene) -> None:
    await scene.owner.execute("UPDATE log.events SET position = -3 WHERE position = 3")
    await scene.owner.execute("UPDATE log.events SET position = 3 WHERE position = 10")
    await scene.owner.execute("UPDATE log.events SET position = 10 WHERE position = -3")

    assert await scene.first_bad() == 3


async def test_an_event_inserted_in_the_past(scene: Scene) -> None:
    for position in range(EVENTS, 4, -1):
        await scene.owner.execute(
            "UPDATE log.events SET position = position + 1 WHERE position = $1", position
        )
    copied = COLUMNS.replace(" id,", " gen_random_uuid(),").replace("data", "'{}'")
    await scene.owner.execute(
        f"INSERT INTO log.events (position, {COLUMNS}) SELECT 5, {copied} FROM log.events "
        "WHERE position = 4"
    )

    assert await scene.first_bad() == 5


async def test_a_checkpoint_forged_to_fit_a_changed_event(scene: Scene) -> None:
    """Without the key: the list of hashes can be made to fit, the root cannot be signed."""
    await scene.owner.execute(FLIP, 7, await scene.byte_of(7, b"assistant"))
    stored = await scene.log.store.read(after=4, limit=4)
    leaves = b"".join(map(leaf_of, stored))
    await scene.owner.execute("UPDATE log.checkpoints SET leaves = $1 WHERE size = 8", leaves)

    fault = (await scene.found())["checkpoints"].fault

    assert fault is not None
    assert (fault.position, "or a later one up to 8" in fault.message) == (5, True)


@pytest.mark.parametrize(
    ("change", "position"),
    [("note = replace(note, '8', '9')", 5), ("root = sha256('')", 5), ("peaks = ''", 5),
     ("leaves = set_byte(leaves, 70, get_byte(leaves, 70) # 1)", 7), ("leaves = ''", 5),
     ("note = ''", 5), ("size = 9", 5)],
)  # fmt: skip
async def test_a_checkpoint_changed_beside_a_true_log(
    scene: Scene, change: str, position: int
) -> None:
    await scene.owner.execute(f"UPDATE log.checkpoints SET {change} WHERE size = 8")

    assert await scene.first_bad() == position


async def test_a_checkpoint_taken_from_between_others(scene: Scene) -> None:
    await scene.owner.execute("DELETE FROM log.checkpoints WHERE size = 8")

    assert await scene.first_bad() == 5


async def test_the_tail_cut_off_while_its_checkpoints_stay(scene: Scene) -> None:
    await scene.owner.execute("DELETE FROM log.events WHERE position > 10")

    assert await scene.first_bad() == 11


async def test_the_tail_cut_off_with_its_checkpoints_is_found_by_the_kept_one_alone(
    scene: Scene,
) -> None:
    await scene.owner.execute("DELETE FROM log.events WHERE position > 10")
    await scene.owner.execute("DELETE FROM log.checkpoints WHERE size > 10")

    assert await scene.first_bad() is None
    assert await scene.first_bad(scene.kept[:2]) is None
    assert await scene.first_bad(scene.kept[2:]) == 11


async def test_everything_rewritten_and_signed_with_another_key(scene: Scene) -> None:
    await scene.owner.execute("UPDATE log.events SET actor = 'user:eve'")
    await scene.sign_anew(FOREIGN)

    assert await scene.first_bad() == 1
    assert await scene.first_bad(keys=[FOREIGN.public]) is None, "who takes any key is deceived"


async def test_everything_rewritten_with_the_stolen_key_is_found_by_the_kept_ones_alone(
    scene: Scene,
) -> None:
    await scene.owner.execute("UPDATE log.events SET actor = 'user:eve' WHERE position >= 6")
    await scene.sign_anew(SIGNER)

    assert await scene.first_bad() is None
    assert await scene.first_bad(scene.kept[:1]) is None, "nothing before it was changed"
    assert await scene.first_bad(scene.kept[1:2]) == 1
    assert await scene.first_bad(scene.kept) == 5, "behind the last kept one that still fits"


async def test_what_no_checkpoint_covers_yet_can_be_changed_without_a_trace(scene: Scene) -> None:
    await scene.owner.execute("UPDATE log.events SET actor = 'user:eve' WHERE position = 13")

    assert await scene.first_bad(scene.kept) is None
    assert (await scene.found())["checkpoints"].note == "positions 13 to 13 are not signed for"


async def test_without_a_checkpoint_or_without_a_key_it_says_so(scene: Scene) -> None:
    found = (await scene.found(keys=[]))["checkpoints"]
    assert (found.checked, found.note) == (0, "not compared: whose key signs them is not known")

    await scene.owner.execute("DELETE FROM log.checkpoints")

    found = (await scene.found())["checkpoints"]
    assert (found.checked, found.note) == (0, "positions 1 to 13 are not signed for")


async def test_a_notary_killed_between_two_checkpoints_is_gone_on_from(scene: Scene) -> None:
    await scene.log.record_chats(2)
    killed = asyncio.create_task(scene.notary().run())
    await asyncio.sleep(0.3)
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    await scene.log.record_chats(2)

    async with running((notary := scene.notary(seconds=0.05)).run()):
        await eventually(lambda: notary.size == 17)

    found = (await scene.found())["checkpoints"]
    assert (found.passed, found.note) == (True, None)


async def test_two_notaries_at_once_make_no_fork(scene: Scene) -> None:
    both = [scene.notary(f"notary {number}", seconds=0.05) for number in range(2)]
    async with running(*(one.run() for one in both)):
        for _ in range(10):
            await scene.log.record_chats(3)
            await asyncio.sleep(0.04)
        await eventually(lambda: both[0].size == both[1].size == EVENTS + 30)

    found = (await scene.found())["checkpoints"]
    assert (found.passed, found.note) == (True, None)
    assert [one.stopped_because for one in both] == [None, None]
