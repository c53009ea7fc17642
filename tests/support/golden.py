"""Golden histories: a log as it was stored once, with its keys and blobs, and what every read model made of it.

`python -m tests.support.golden NAME` records one more, of every shape there is; one that is there is never
written again. A directory of `tests/golden` holds

    events.jsonl    the rows of the log, to the byte
    keys.json       the master key, and the wrapped data keys as the key table had them
    blobs.json      what was too large for a row, by its hash
    folds.json      the fingerprint of each read model, by its name and version
"""

import asyncio
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from aigestion.events.catalog import Catalog
from aigestion.events.recorded import Recorded
from aigestion.eventstore.codec import Codec
from aigestion.eventstore.keyring import WrappedKey
from aigestion.eventstore.master_key import FileMasterKey
from aigestion.eventstore.memory import MemoryBlobStore, MemoryKeyTable
from aigestion.eventstore.port import NewEvent, SequencedEvent
from aigestion.eventstore.vault import Vault
from aigestion.kernel.context import Context
from aigestion.kernel.ids import derived_id
from aigestion.projections.catalog import PROJECTIONS
from aigestion.projections.fingerprint import Fingerprint
from aigestion.projections.fold import Fold
from tests.support.history import History, chat, document
from tests.support.samples import SAMPLES, history_of_everything
from tests.support.seeded_history import seeded_history

GOLDEN = Path(__file__).parents[1] / "golden"
INTERACTIONS = 25
ERASED = ("demo", "user:user-1")
_MASTER_KEY = "master.key"


class StoredEvent(msgspec.Struct, kw_only=True):
    """A row of the log; `data` is a string, so that its bytes stay what they are."""

    position: int
    recorded_at: datetime
    event: dict[str, Any]
    data: str


class StoredKey(msgspec.Struct):
    """A row of the key table; `wrapped` is None for a key that was destroyed."""

    tenant: str
    subject: str
    key_id: UUID
    wrapped: bytes | None


class StoredKeys(msgspec.Struct):
    """What opens a recording."""

    master: bytes
    keys: list[StoredKey]


class Recording:
    """One directory of `tests/golden`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def stored(self) -> list[SequencedEvent]:
        """The log, as it was stored."""
        lines = (self.directory / "events.jsonl").read_bytes().splitlines()
        return [_sequenced(msgspec.json.decode(line, type=StoredEvent)) for line in lines]

    async def opened(self, working: Path) -> list[Recorded[Any]]:
        """The log, opened by this program with the keys of then."""
        codec = await self._codec(working)
        return [await codec.open(one) for one in self.stored()]

    def folds(self) -> dict[str, Fingerprint]:
        """The fingerprint of each read model, by `<name>.v<version>`."""
        return _read(self.directory / "folds.json", dict[str, Fingerprint])

    async def _codec(self, working: Path) -> Codec:
        kept = _read(self.directory / "keys.json", StoredKeys)
        master = working / _MASTER_KEY
        master.write_bytes(kept.master)
        master.chmod(0o600)
        table, blobs = MemoryKeyTable(), MemoryBlobStore()
        for key in kept.keys:
            await table.create(key.tenant, key.subject, WrappedKey(key.key_id, key.wrapped))
        for content in _read(self.directory / "blobs.json", dict[str, bytes]).values():
            await blobs.put(content)
        return Codec(Catalog(), Vault(table, FileMasterKey(master)), blobs)


def recordings() -> list[Recording]:
    """Every recording there is."""
    return [Recording(path) for path in sorted(GOLDEN.iterdir()) if path.is_dir()]


def fingerprints(events: list[Recorded[Any]]) -> dict[str, Fingerprint]:
    """What today's read models make of a log."""
    made = {}
    for projection in PROJECTIONS:
        fold = Fold(projection)
        for event in events:
            fold.apply(event)
        made[f"{projection.name}.v{projection.version}"] = fold.fingerprint
    return made


def _sequenced(line: StoredEvent) -> SequencedEvent:
    event = msgspec.convert({**line.event, "data": b""}, NewEvent)
    event = msgspec.structs.replace(event, data=line.data.encode())
    return msgspec.convert(
        {"position": line.position, "recorded_at": line.recorded_at, "event": event}, SequencedEvent
    )


def _read(path: Path, type_: Any) -> Any:
    return msgspec.json.decode(path.read_bytes(), type=type_)


def _write(path: Path, value: Any) -> None:
    text = msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=1)
    path.write_bytes(text + b"\n")


def _told() -> History:
    """Interactions of two tenants, what is too large for a row, and once every type there is."""
    history = seeded_history(INTERACTIONS)
    history.happened(document("large", "Ships moor at the long pier. " * 1_200))
    history.happened(chat("Where do I moor? " * 2_000))
    for event in history_of_everything().events:
        history.happened(event.data)
    return history


async def _record(directory: Path) -> None:
    directory.mkdir(parents=True)  # noqa: ASYNC240
    table, blobs = MemoryKeyTable(), MemoryBlobStore()
    with tempfile.TemporaryDirectory() as working:
        path = Path(working) / _MASTER_KEY
        vault = Vault(table, FileMasterKey(path))
        codec = Codec(Catalog(), vault, blobs)
        rows = [row for one in _told().events for row in await _rows(codec, one)]
        await vault.destroy(*ERASED)
        keys = StoredKeys(
            path.read_bytes(),
            [StoredKey(*whose, key.key_id, key.wrapped) for whose, key in table._keys.items()],
        )
    with (directory / "events.jsonl").open("wb") as file:
        for position, (event, recorded_at) in enumerate(rows, 1):
            fields = msgspec.to_builtins(event)
            del fields["data"]
            line = StoredEvent(
                position=position, recorded_at=recorded_at, event=fields, data=event.data.decode()
            )
            file.write(msgspec.json.encode(line) + b"\n")
    _write(directory / "keys.json", keys)
    _write(directory / "blobs.json", blobs._contents)
    with tempfile.TemporaryDirectory() as working:
        opened = await Recording(directory).opened(Path(working))
    _write(directory / "folds.json", fingerprints(opened))


async def _rows(codec: Codec, one: Recorded[Any]) -> list[tuple[NewEvent, datetime]]:
    """The event as it is stored today, and before it once in each older shape."""
    context = Context(
        tenant=one.tenant,
        actor=one.actor,
        correlation_id=one.correlation_id,
        causation_id=one.causation_id,
    )
    rows = []
    for version in range(1, type(one.data).version + 1):
        is_present = version == type(one.data).version
        event_id = one.id if is_present else derived_id(one.id, f"as of version {version}")
        row = await codec.seal(one.data, context, event_id=event_id, occurred_at=one.occurred_at)
        rows.append((row if is_present else _older(row, version), one.recorded_at))
    return rows


def _older(written: NewEvent, version: int) -> NewEvent:
    """The event as an earlier program stored it: so far, without the fields that came later."""
    sample = msgspec.json.decode((SAMPLES / f"{written.type}.v{version}.json").read_bytes())
    fields = msgspec.json.decode(written.data, type=dict[str, msgspec.Raw])
    kept = {name: value for name, value in fields.items() if name in sample}
    return msgspec.structs.replace(written, schema_version=version, data=msgspec.json.encode(kept))


if __name__ == "__main__":
    asyncio.run(_record(GOLDEN / sys.argv[1]))
