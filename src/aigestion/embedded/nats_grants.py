"""Who of others may read events of the embedded broker: kept in the data dir, public keys only."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from aigestion.embedded.datadir import DataDir
from aigestion.kernel.errors import Corrupt

GRANTS_FILE = "nats-grants.json"


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """One credential: reads some types of one tenant's events, with one consumer of its name."""

    name: str
    tenant: str
    types: str
    """`user.chat`, `user.*`, or `*` for all."""
    public_key: str
    granted_at: datetime
    expires_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


def read_grants(data_dir: DataDir) -> tuple[Grant, ...]:
    """All of them, expired or not. `Corrupt` if the file is not what this module writes."""
    written = data_dir.read_private(GRANTS_FILE)
    try:
        return msgspec.json.decode(written or b"[]", type=tuple[Grant, ...])
    except msgspec.MsgspecError as error:
        raise Corrupt(f"{data_dir.path / GRANTS_FILE} cannot be read: {error}") from error


def write_grants(data_dir: DataDir, grants: Sequence[Grant]) -> None:
    data_dir.write_private(GRANTS_FILE, msgspec.json.encode(grants).decode())


def grants_in_force(data_dir: DataDir, now: datetime) -> tuple[Grant, ...]:
    """Those that have not expired."""
    return tuple(grant for grant in read_grants(data_dir) if grant.holds(now))
