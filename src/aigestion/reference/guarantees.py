"""`python -m aigestion.reference.guarantees RUN.json…`: the page of what is promised, from runs of `prove --json`."""

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from aigestion.prove.report import FaultLine, Report
from aigestion.reference.markdown import listed, page, section, table

MADE = "<!-- Made from runs by `make guarantees`; do not edit. -->"
PAGE = Path("docs/reference/guarantees.md")
INTRO = (
    "What AIGestion promises, under which faults, and what it does not promise. The figures are those of the "
    "runs below, made and written here by `make guarantees`; [how a run works](../guides/prove.md), and how to "
    "make one of your own."
)
PROMISES = (
    (
        "Durable",
        "A command answered with 2xx is in the log exactly once, with the position, id and payload of its "
        "answer; one without an answer at most once; one that was refused not at all.",
    ),
    ("Ordered", "What is sent after another command was answered stands behind it."),
    ("Dense", "Positions are 1 to N without a hole."),
    (
        "One log",
        "The broker's message at sequence s is the event at position s. What it loses at its end, or "
        "altogether, comes again from the log; a hole in the middle is named by `aigestion audit verify`.",
    ),
    (
        "Views are folds",
        "Every read model is what its events come to. One that is wiped is built again by itself.",
    ),
    (
        "No phantom, nothing stale",
        "No read shows what is not in the log, or less than its `min_position`; also while the reader is cut "
        "off from the broker.",
    ),
    (
        "One end",
        "A question has one end, however often its agent dies; a reply is what the provider said about it.",
    ),
    (
        "Signed",
        "Every event is covered by a signed checkpoint within seconds, and the log stays what was signed; an "
        "event that is changed, added or taken away afterwards is named by `aigestion audit verify`. Whoever has "
        "the database *and* the key is found by a checkpoint kept elsewhere only.",
    ),
    ("Apart", "No answer to one tenant holds a word of another's."),
    (
        "Bounded",
        "An answer begins within ten seconds, if only with 503; no process takes over 1 GiB or 512 descriptors.",
    ),
    (
        "Loud",
        "Every fault changes a metric that stands for its kind by 15 seconds after its end. A fault that nothing "
        "met can change nothing: how many those were stands beside it.",
    ),
)
LOSSES = (
    "**PostgreSQL's disk.** The log is there and nowhere else: if that disk is lost, or lies about what it has "
    "written, everything after the last backup or beyond the replica is lost. The broker's copy does not fill "
    "the log again; a relay that finds the broker ahead of the log stops and says so.",
    "**The master key.** Without it nothing sealed opens any more. A backup of the database does not hold it.",
    "**An answer that did not come.** The command was done or not; only the same `Idempotency-Key` tells.",
    "**Pieces of a reply while it is written** are sent once and kept nowhere; the whole reply is an event.",
    "**Calls to a model** may be made again after a crash, and are paid for again: at most as often as the "
    "agent's limit of attempts allows.",
    "**A log forged by who runs it.** Whoever has the database and the key of its checkpoints can rewrite both, "
    "or cut off an end together with the checkpoints of it: `audit verify` finds that by checkpoints which were "
    "kept where they cannot reach, and only up to the last of those. What no checkpoint covers yet, the last ten "
    "seconds, can be changed without a trace, and nothing tells whether an event was true when it was recorded.",
    "**Rate limits without Valkey** are forgotten by a process that ends.",
    "**A broker with damaged files** may never start again; its folder must then be emptied by a person.",
    "**A relay that is stopped and keeps its session** keeps its lock: events wait in the log until it goes on "
    "or is ended.",
)
NEVER_TRIED = (
    "power loss",
    "the clocks of PostgreSQL and NATS",
    "several brokers or a PostgreSQL with replicas",
    "a restore from a backup",
)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--root", type=click.Path(path_type=Path), default=Path(), help="Of the repository.")
def main(runs: tuple[Path, ...], root: Path) -> None:
    """Write the page. Refuses a run that broke a promise."""
    reports = [msgspec.json.decode(path.read_bytes(), type=Report) for path in runs]
    if broken := [report.seed for report in reports if not report.passed]:
        raise click.ClickException(
            f"Promises were broken with the seeds {broken}: nothing is written."
        )
    (root / PAGE).write_text(guarantees_page(reports))


def guarantees_page(reports: Sequence[Report]) -> str:
    """The page; the same for the same runs."""
    not_checked = dict.fromkeys(one for report in reports for one in report.not_checked)
    return page(
        "Guarantees",
        INTRO,
        section("Promised", table(("Promise", "What it means"), PROMISES)),
        *(_run(report) for report in reports),
        section("Not promised", listed(LOSSES)),
        section("Not checked by these runs", listed((*not_checked, *NEVER_TRIED))),
        made=MADE,
    )


def _run(report: Report) -> str:
    count = sum(line.count for line in report.faults)
    lost, duplicated, wrong = (report.violations.get(k, 0) for k in ("lost", "duplicated", "wrong"))
    others = sum(report.violations.values()) - lost - duplicated - wrong
    return section(
        f"{count} faults, seed {report.seed}",
        f"{report.at}, {report.seconds:g} s on {report.machine}.",
        table(
            ("Acked", "Refused", "Unknown", "Lost", "Duplicated", "Wrong", "Other violations"),
            [
                tuple(
                    map(
                        str,
                        (
                            report.acked,
                            report.refused,
                            report.unknown,
                            lost,
                            duplicated,
                            wrong,
                            others,
                        ),
                    )
                )
            ],
        ),
        f"{report.events} events, {report.reads} reads of a write just answered, {report.runs} runs of agents; "
        f"the slowest answer after {report.slowest_seconds:.1f} s, at most {report.provider_calls_max} calls to "
        f"the model a question, {report.rss_mib_max} MiB and {report.descriptors_max} descriptors a process.",
        table(
            (
                *("Fault", "Times", "Recovery p50", "Max", "Told within p50", "Max", "Told by"),
                *("Met nothing", "Acked messages the broker lost"),
            ),
            [_row(line) for line in report.faults],
        ),
    )


def _row(line: FaultLine) -> tuple[str, ...]:
    seconds = [
        "-" if value is None else f"{value:.2f} s"
        for value in (
            *(line.recovery_seconds_p50, line.recovery_seconds_max),
            *(line.told_seconds_p50, line.told_seconds_max),
        )
    ]
    told_by = ", ".join(f"`{name}`" if "_" in name else name for name in line.told_by)
    counts = (str(line.met_nothing or "-"), str(line.lost_messages or "-"))
    return f"`{line.kind}`", str(line.count), *seconds, told_by or "-", *counts


if __name__ == "__main__":
    main()
