"""`aigestion prove`: a throw-away system under load and faults, and a check of what it promised."""

from typing import TYPE_CHECKING

import click

from aigestion.cli.options import json_option, run
from aigestion.cli.text import bad, good, json_line, one_line, quiet, table

if TYPE_CHECKING:
    from aigestion.prove.report import FaultLine, Report

FAULTS_DEFAULT = 200
FAULTS_MAX = 100_000
SEED_MAX = 2**63 - 1
LOSSES = ("lost", "duplicated", "wrong")


@click.command(
    epilog="Example:  aigestion prove --faults 50 --seed 7 --only kill-nats,broker-amnesia"
)
@click.option(
    "--faults",
    type=click.IntRange(0, FAULTS_MAX),
    default=FAULTS_DEFAULT,
    show_default=True,
    help="How many faults.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, SEED_MAX),
    help="Chooses faults, victims and commands; a random one, which is printed, if not given.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Stop injecting faults after that long.",
)
@click.option("--only", metavar="KIND,…", help="Only faults of these kinds.")
@click.option("--keep", is_flag=True, help="Keep the folder of the run: history, logs, data.")
@json_option
def prove(
    faults: int,
    seed: int | None,
    minutes: float | None,
    only: str | None,
    keep: bool,
    as_json: bool,
) -> None:
    """Break a throw-away system in every way there is, and prove that it kept its promises.

    Starts separate processes in a temporary folder, sends commands as honest clients do, kills,
    stops and rolls back, and then checks from outside: every command that was answered is in the
    log exactly once, the broker equals the log, and every view equals a fold of it. Exit 1, and a
    history is kept, if a promise was broken.
    """
    import logging
    import secrets

    from aigestion.prove.faults import kinds_of
    from aigestion.prove.machine import cannot
    from aigestion.prove.run import prove as run_prove

    # Whether it or we see a killed child's end first makes no difference; it warns of both.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    hindered = cannot()
    kinds = kinds_of(only, hindered)
    chosen = secrets.randbelow(2**31) if seed is None else seed
    if not as_json:
        click.echo(f"seed {chosen}")
    report = run(
        run_prove(
            faults=faults,
            seed=chosen,
            minutes=minutes,
            kinds=kinds,
            keep=keep,
            left_out=hindered,
            say=lambda text: click.echo(quiet(one_line(text)), err=True),
        )
    )
    click.echo(json_line(report) if as_json else told(report))
    if not report.passed:
        click.get_current_context().exit(1)


def told(report: "Report") -> str:
    """The report for people."""
    head = (
        "FAULT",
        "COUNT",
        "RECOVERY P50",
        "MAX",
        "TOLD P50",
        "MAX",
        "MET NOTHING",
        "LOST BY THE BROKER",
    )
    lost, duplicated, wrong = (str(report.violations.get(kind, 0)) for kind in LOSSES)
    commands = (
        ("ACKED", "REFUSED", "UNKNOWN", "LOST", "DUPLICATED", "WRONG", "OTHER VIOLATIONS"),
        (
            *(str(count) for count in (report.acked, report.refused, report.unknown)),
            *(lost, duplicated, wrong),
            str(sum(n for kind, n in report.violations.items() if kind not in LOSSES)),
        ),
    )
    parts = [
        table(head, [_row(line) for line in report.faults]),
        table(commands[0], [commands[1]]),
        f"{report.events} events, {report.reads} reads of a write just answered, {report.runs} runs ended; "
        f"the slowest answer after {report.slowest_seconds:.1f} s; "
        f"at most {report.provider_calls_max} calls a question, {report.rss_mib_max} MiB and "
        f"{report.descriptors_max} descriptors a process",
        quiet(f"not checked: {'; '.join(report.not_checked)}"),
    ]
    parts += [
        f"{bad(one.kind)}  {f'position {one.position}: ' if one.position else ''}{one_line(one.message)}"
        for one in report.first
    ]
    if report.kept:
        parts.append(f"kept: {report.kept}")
    count = sum(line.count for line in report.faults)
    seed = f"(seed {report.seed}, {report.seconds:g} s)"
    broken = sum(report.violations.values())
    parts.append(
        f"{good('PROVED')}  {count} faults, every promise kept {seed}"
        if report.passed
        else f"{bad('BROKEN')}  {broken} violations under {count} faults {seed}"
    )
    return "\n\n".join(parts)


def _row(line: "FaultLine") -> tuple[str, ...]:
    def seconds(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f} s"

    return (
        line.kind,
        str(line.count),
        seconds(line.recovery_seconds_p50),
        seconds(line.recovery_seconds_max),
        seconds(line.told_seconds_p50),
        seconds(line.told_seconds_max),
        str(line.met_nothing) if line.met_nothing else "-",
        str(line.lost_messages) if line.lost_messages else "-",
    )
