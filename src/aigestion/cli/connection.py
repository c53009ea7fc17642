"""How a command reaches the system: a running one through its doors, or a data dir at rest."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from aigestion.kernel.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from aigestion.bootstrap.offline import OpenLog
    from aigestion.embedded.connect_file import Doors


def running(data_dir: Path) -> "Doors | None":
    """The doors of the system that runs on this data dir; None if it is at rest."""
    from aigestion.embedded.connect_file import running as running_on

    return running_on(data_dir)


def need_running(data_dir: Path) -> "Doors":
    """The doors of the running system; `Unavailable` says how to start it."""
    doors = running(data_dir)
    if doors is None:
        raise Unavailable(
            f"Nothing is running on {data_dir}. Start it: aigestion up --data-dir {data_dir}"
        )
    return doors


def need_data_dir(data_dir: Path) -> None:
    """`Misconfigured` if nobody has ever started a system there: looking must not make one."""
    if not data_dir.is_dir():
        raise Misconfigured(
            f"There is no data dir {data_dir}. Make one: aigestion up --data-dir {data_dir}"
        )


def open_log(data_dir: Path) -> "AbstractAsyncContextManager[OpenLog]":
    """The log of a data dir, whether a system runs on it or it is at rest."""
    need_data_dir(data_dir)
    from aigestion.bootstrap.offline import open_log as open_log_of

    return open_log_of(data_dir)
