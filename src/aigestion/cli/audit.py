"""`aigestion audit verify`: log, checkpoints, broker and every view against each other; an export; a proof."""

from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aigestion.cli.checkpoints import (
    believed_keys,
    checkpoint_option,
    checkpoints,
    key,
    prove,
    public_key_option,
    public_keys,
)
from aigestion.cli.export import export
from aigestion.cli.findings import of_export, of_proof, of_system
from aigestion.cli.options import beyond_http, data_dir_option, json_option, run
from aigestion.cli.text import bad, doubtful, good, json_line, one_line, quiet

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from aigestion.audit.finding import Finding

_PASSED = {
    "log": "dense from 1, in order, no id twice, every stored shape opens",
    "checkpoints": "signed, and the log is what was signed",
    "proof": "is in the log that was signed",
    "export": "each position once, in order, and the hashes of the manifest",
    "broker": "equal the log's events, sequence for position",
}


@click.group(epilog="Example:  aigestion audit verify")
def audit() -> None:
    """The log as evidence."""


for _command in (export, checkpoints, key, prove):
    audit.add_command(_command)


@audit.command(epilog="Example:  aigestion audit verify --json")
@click.option(
    "--export",
    "exported",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Instead: prove what `audit export` wrote there, without the log.",
)
@click.option(
    "--proof",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Instead: check what `audit prove` printed, with --public-key and without the log.",
)
@checkpoint_option
@public_key_option
@data_dir_option
@beyond_http
@json_option
def verify(
    exported: Path | None,
    proof: Path | None,
    kept: "Sequence[Path]",
    keys: "Sequence[str]",
    data_dir: Path,
    as_json: bool,
) -> None:
    """Prove that nothing is missing or changed; exit 1 and name the first bad position if not.

    The log: positions dense and in order, ids unique, every stored shape opens. Its checkpoints: each
    is signed, and the log is what was signed; those of --checkpoint too. The broker: every message
    equals its event. Each view: every row equals a fold of the log.
    """
    if exported and (proof or kept or keys):
        raise click.UsageError("--export is proved by its manifest alone.")
    if proof and not keys:
        raise click.UsageError("--proof needs a --public-key: who signs decides what is proved.")
    if exported:
        found = of_export(exported)
    elif proof:
        found = of_proof(proof.read_bytes(), kept, public_keys(keys))
    else:
        found = of_system(data_dir, kept, believed_keys(data_dir, keys))
    findings = run(_told(found, as_json))
    faults = [finding.fault for finding in findings if finding.fault]
    if as_json:
        click.echo(json_line({"passed": not faults, "findings": findings}))
    if faults:
        first = min(fault.position for fault in faults)
        click.echo(f"{bad('first bad position:')} {first}", err=True)
        click.get_current_context().exit(1)


async def _told(found: "AsyncGenerator[Finding, None]", as_json: bool) -> "list[Finding]":
    """Every finding, printed as it comes."""
    findings = []
    async with aclosing(found):
        async for finding in found:
            findings.append(finding)
            if not as_json:
                click.echo(_line(finding))
    return findings


def _line(finding: "Finding") -> str:
    note = quiet(f"  ({one_line(finding.note)})") if finding.note else ""
    if finding.fault is not None:
        fault = f"position {finding.fault.position}: {one_line(finding.fault.message)}"
        return f"{bad('FAIL')}  {finding.check:<22}  {fault}{note}"
    if not finding.checked and finding.note:
        return f"{doubtful('--')}    {finding.check:<22}  {one_line(finding.note)}"
    proved = _PASSED.get(finding.check, "equal a fold of the log")
    return f"{good('ok')}    {finding.check:<22}  {finding.checked} {finding.unit}: {proved}{note}"
