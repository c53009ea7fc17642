"""`python -m bench.report`: run every measurement, shortened, and write the page `docs/reference/performance.md`."""

import argparse
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from bench.report.page import page
from bench.report.picture import picture
from bench.results import Section, kept

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results"
REFERENCE = ROOT / "docs" / "reference"

MEASUREMENTS: dict[str, tuple[str, ...]] = {
    "append": (
        *("--seconds", "1.5", "--rounds", "1", "--case", "plain", "--case", "tagged"),
        *("--callers", "1", "--callers", "32", "--callers", "128"),
    ),
    "http": ("--seconds", "3"),
    "agents": ("--seconds", "5"),
    "freshness": ("--events", "100"),
    "replay": ("--events", "150000"),
    "growth": ("--sizes", "250000", "1000000", "--seconds", "1"),
    "memory": ("--seconds", "5"),
}
"""In the order of the page. A soak takes too long to be one of them; one that was kept is shown."""
ORDER = (*MEASUREMENTS, "soak")
PACKAGES = ("aigestion", "litestar", "uvicorn", "asyncpg", "nats-py", "openai", "eventsourcing")


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__)
    arguments.add_argument(
        "--only", choices=ORDER, action="append", help="measure only this anew; repeatable"
    )
    arguments.add_argument("--no-run", action="store_true", help="write the page of what is kept")
    given = arguments.parse_args()
    for name in () if given.no_run else given.only or MEASUREMENTS:
        measured(name, MEASUREMENTS.get(name, ()))
    write(kept(RESULTS))


def measured(name: str, options: Sequence[str]) -> None:
    """Run one, in a process of its own, and keep what it finds."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", f"bench.{name}", *options, "--keep", str(RESULTS)]
    subprocess.run(command, cwd=ROOT, check=True)
    print(f"bench.{name} took {time.perf_counter() - begun:.0f} s\n", flush=True)


def write(sections: Sequence[Section]) -> None:
    found = sorted(sections, key=lambda one: ORDER.index(one.name))
    (REFERENCE / "performance.md").write_text(page(found, versions()))
    (REFERENCE / "performance.svg").write_text(picture(found))
    print("docs/reference/performance.md and performance.svg are written.")


def versions() -> str:
    programs = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"Python {platform.python_version()}, {programs}."


if __name__ == "__main__":
    main()
