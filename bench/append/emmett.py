"""Emmett's side: its PostgreSQL event store from npm, in a temporary folder, run by the Node of this venv."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

PACKAGES = ("@event-driven-io/emmett@0.42", "@event-driven-io/emmett-postgresql@0.42")
INSTALL_SECONDS_MAX = 180.0
RUN_SECONDS_MAX = 60.0

_SCRIPT = Path(__file__).with_name("emmett.mjs")
_BIN = Path(sys.executable).parent


class Emmett:
    """Installed in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        shutil.copy(_SCRIPT, folder)

    def rate(self, url: str, callers: int, seconds: float) -> float:
        """Appends a second."""
        command = [_BIN / "node", _SCRIPT.name, url, str(callers), str(seconds)]
        done = subprocess.run(
            command,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=RUN_SECONDS_MAX + seconds,
        )
        return float(done.stdout.splitlines()[-1])


@contextmanager
def installed() -> Iterator[Emmett | None]:
    """None, said aloud, if it cannot be had here."""
    with TemporaryDirectory(prefix="aig-emmett-") as directory:
        folder = Path(directory)
        try:
            _install(folder)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"Emmett cannot be installed here and is left out: {error}", flush=True)
            yield None
        else:
            yield Emmett(folder)


def _install(folder: Path) -> None:
    """With the `npm` beside the interpreter. Raises `SubprocessError`, `OSError`."""
    environment = os.environ | {"PATH": f"{_BIN}{os.pathsep}{os.environ.get('PATH', '')}"}
    command = [_BIN / "npm", "install", "--no-audit", "--no-fund", "--silent", *PACKAGES]
    subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        check=True,
        timeout=INSTALL_SECONDS_MAX,
    )
