"""What a measurement found, in one form: printed as a table, kept as JSON, made into a page by `bench.report`."""

import argparse
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench.hardware import hardware


class Ratio(msgspec.Struct, frozen=True):
    """Ours against a peer or a limit of the same run; above 1 is better."""

    what: str
    value: float
    goal: float | None = None

    @property
    def missed(self) -> bool:
        return self.goal is not None and self.value < self.goal

    def __str__(self) -> str:
        mark = "" if self.goal is None else " ✗" if self.missed else " ✓"
        return f"{self.value:.2f}{mark}"


class Section(msgspec.Struct, kw_only=True):
    """One measurement."""

    name: str
    title: str
    told: str
    """What was measured against what, in a sentence or two."""
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    ratios: Sequence[Ratio] = ()
    hardware: str = ""
    taken_at: str = ""


_BEFORE = hardware()
"""Told before the measurement makes a load of its own."""


def keeping(arguments: argparse.ArgumentParser) -> None:
    """The option all measurements share."""
    arguments.add_argument("--keep", type=Path, metavar="FOLDER", help="also write NAME.json there")


def told(section: Section, folder: Path | None) -> None:
    """Print it and, with a folder, keep it."""
    section.hardware = section.hardware or _BEFORE
    section.taken_at = section.taken_at or datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    print(f"{section.title}\n{section.hardware}\n{section.told}\n")
    rows = [list(section.columns), *(list(row) for row in section.rows)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(section.columns))]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join([row[0].ljust(widths[0]), *cells]))
    for ratio in section.ratios:
        print(f"{ratio.what}: {ratio}")
    print(flush=True)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(msgspec.to_builtins(section), indent=1, ensure_ascii=False)
        (folder / f"{section.name}.json").write_text(text + "\n")


def kept(folder: Path) -> list[Section]:
    """What is kept in a folder, by name."""
    return [
        msgspec.json.decode(path.read_bytes(), type=Section)
        for path in sorted(folder.glob("*.json"))
    ]


def percentile(values: Sequence[float], share: float) -> float:
    """Of values in any order."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
