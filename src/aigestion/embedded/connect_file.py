"""`connect.json`: every door of the running system and its key, for scripts and for the CLI."""

from pathlib import Path

import msgspec

from aigestion.embedded.pid_file import is_locked
from aigestion.kernel.errors import Corrupt, Misconfigured

CONNECT_FILE = "connect.json"


class Doors(msgspec.Struct, frozen=True, kw_only=True):
    """What `aigestion up` writes for scripts."""

    version: str
    pid: int
    http_url: str
    api_key: str | None = None
    operator_key: str
    nats_url: str
    nats_user: str
    nats_password: str
    postgres_dsn: str
    tenant: str
    search: str = "postgres"
    """The engine that searches."""
    models: tuple[str, ...] = ()
    """What an agent's definition may name, as `<provider>/<model>`."""


def running(data_dir: Path) -> Doors | None:
    """The doors of the system that runs on this data dir; None if it is at rest."""
    try:
        written = (data_dir / CONNECT_FILE).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError as error:
        raise Misconfigured(f"{data_dir / CONNECT_FILE} may not be read by this user.") from error
    try:
        doors = msgspec.json.decode(written, type=Doors)
    except msgspec.MsgspecError as error:
        raise Corrupt(
            f"{data_dir / CONNECT_FILE} is not what `aigestion up` writes: {error}"
        ) from error
    # A killed system leaves the file behind, and its pid to others; but it cannot leave its lock.
    return doors if is_locked(data_dir / "lock") else None
