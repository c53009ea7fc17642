"""What a run came to: figures for programs, a table for people."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import msgspec

from aigestion.kernel.clock import utc_now
from aigestion.prove.checker import Violation
from aigestion.prove.evidence import Evidence
from aigestion.prove.history import Fault, History
from aigestion.prove.loudness import Verdict
from aigestion.prove.machine import described

NOT_CHECKED = (
    "reports and vectors: ClickHouse and Qdrant are stood in for by doors to empty stores",
)


class FaultLine(msgspec.Struct, frozen=True):
    """All faults of one kind."""

    kind: str
    count: int
    recovery_seconds_p50: float | None
    """From the fault to the answer of the first command that was sent after it."""
    recovery_seconds_max: float | None
    lost_messages: int
    """Messages the broker had acknowledged and then no longer had; the log gave them back."""
    told_seconds_p50: float | None = None
    """From the fault to the scrape of a metric that told it."""
    told_seconds_max: float | None = None
    told_by: tuple[str, ...] = ()
    """The metrics that did so first, the commonest first."""
    met_nothing: int = 0
    """Faults that nothing met and nothing told."""


class Report(msgspec.Struct, kw_only=True):
    """The run in figures."""

    passed: bool
    at: str
    """When it was checked, to the minute."""
    machine: str
    """Hardware and versions."""
    seed: int
    seconds: float
    faults: list[FaultLine]
    acked: int
    refused: int
    unknown: int
    events: int
    reads: int
    runs: int
    """Questions that agents answered, or told why not."""
    slowest_seconds: float
    """The longest that any answer took."""
    provider_calls_max: int
    """The most the provider was asked about one question."""
    rss_mib_max: int
    descriptors_max: int
    violations: dict[str, int]
    first: list[Violation]
    """The first few of each kind."""
    kept: str | None
    """Where the history is, or with `--keep` the whole folder."""
    not_checked: tuple[str, ...] = NOT_CHECKED


def reported(
    seed: int,
    history: History,
    evidence: Evidence,
    verdicts: Sequence[Verdict],
    found: Sequence[Violation],
    kept: Path | None,
    left_out: Mapping[str, str],
    shown_max: int = 3,
) -> Report:
    """The figures of a run."""
    outcomes = Counter(one.outcome for one in history.operations)
    seen: Counter[str] = Counter()
    first = []
    for one in found:
        seen[one.kind] += 1
        if seen[one.kind] <= shown_max:
            first.append(one)
    return Report(
        passed=not found,
        at=f"{utc_now():%Y-%m-%d %H:%M} UTC",
        machine=described(),
        seed=seed,
        seconds=round(history.now(), 1),
        faults=_lines(history, verdicts),
        acked=outcomes["acked"],
        refused=outcomes["refused"],
        unknown=outcomes["unknown"],
        events=evidence.head,
        reads=len(history.reads),
        runs=sum(one.type in ("agent.replied", "run.failed") for one in evidence.rows),
        slowest_seconds=history.slowest_seconds,
        provider_calls_max=max(evidence.asked.values(), default=0),
        rss_mib_max=max(evidence.rss_bytes_max.values(), default=0) >> 20,
        descriptors_max=max(evidence.descriptors_max.values(), default=0),
        violations=dict(seen),
        first=first,
        kept=None if kept is None else str(kept),
        not_checked=(*NOT_CHECKED, *(f"{kind}: {why}" for kind, why in left_out.items())),
    )


def _lines(history: History, verdicts: Sequence[Verdict]) -> list[FaultLine]:
    by_kind: dict[str, list[Fault]] = {}
    for fault in history.faults:
        by_kind.setdefault(fault.kind, []).append(fault)
    told: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        told.setdefault(verdict.fault.kind, []).append(verdict)
    return [
        FaultLine(
            kind,
            len(faults),
            round(median(took), 2) if (took := _recoveries(history, faults)) else None,
            round(max(took), 2) if took else None,
            sum(fault.lost_messages for fault in faults),
            *_told(told.get(kind, ())),
        )
        for kind, faults in sorted(by_kind.items())
    ]


def _told(
    verdicts: Sequence[Verdict],
) -> tuple[float | None, float | None, tuple[str, ...], int]:
    seconds = [one.seconds for one in verdicts if one.seconds is not None]
    by = Counter(name for one in verdicts for name in one.by)
    return (
        round(median(seconds), 2) if seconds else None,
        max(seconds, default=None),
        tuple(name for name, _ in by.most_common()),
        sum(one.outcome == "met nothing" for one in verdicts),
    )


def _recoveries(history: History, faults: Sequence[Fault]) -> list[float]:
    took = []
    for fault in faults:
        answered = [
            one.answered_at
            for one in history.operations
            if one.outcome == "acked" and one.answered_at is not None and one.sent_at >= fault.at
        ]
        if answered:
            took.append(min(answered) - fault.at)
    return took
