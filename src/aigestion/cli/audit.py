"""`aigestion audit verify`: the log, the broker and every view, proved against each other; or an export."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aigestion.cli.connection import need_data_dir, running, servers
from aigestion.cli.export import export
from aigestion.cli.options import beyond_http, data_dir_option, json_option, run
from aigestion.cli.progress import progress
from aigestion.cli.text import bad, doubtful, good, json_line, one_line, quiet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aigestion.audit.finding import Finding, OpenedLog
    from aigestion.bootstrap.offline import MirroredLog
    from aigestion.cli.views import Views
    from aigestion.messaging.port import Broker

RELAY_SECONDS_MAX = 5.0
"""How long a running relay may take to bring what is new."""

_PASSED = {
    "log": "dense from 1, in order, no id twice, every stored shape opens",
    "export": "each position once, in order, and the hashes of the manifest",
    "broker": "equal the log's events, sequence for position",
}


@click.group(epilog="Example:  aigestion audit verify")
def audit() -> None:
    """The log as evidence."""


audit.add_command(export)


@audit.command(epilog="Example:  aigestion audit verify --json")
@click.option(
    "--export",
    "exported",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Instead: prove what `audit export` wrote there, without the log.",
)
@data_dir_option
@beyond_http
@json_option
def verify(exported: Path | None, data_dir: Path, as_json: bool) -> None:
    """Prove that nothing is missing or changed; exit 1 and name the first bad position if not.

    The log: positions dense and in order, ids unique, every stored shape opens. The broker: every
    message equals its event. Each view: every row equals a fold of the log.
    """
    findings = run(_told(_of_export(exported) if exported else _findings(data_dir), as_json))
    faults = [finding.fault for finding in findings if finding.fault]
    if as_json:
        click.echo(json_line({"passed": not faults, "findings": findings}))
    if faults:
        first = min(fault.position for fault in faults)
        click.echo(f"{bad('first bad position:')} {first}", err=True)
        click.get_current_context().exit(1)


async def _told(found: "AsyncIterator[Finding]", as_json: bool) -> "list[Finding]":
    """Every finding, printed as it comes."""
    findings = []
    async for finding in found:
        findings.append(finding)
        if not as_json:
            click.echo(_line(finding))
    return findings


async def _findings(data_dir: Path) -> "AsyncIterator[Finding]":
    from aigestion.audit.finding import OpenedLog
    from aigestion.audit.log import verify_log
    from aigestion.bootstrap.offline import open_at_rest, open_on_servers, open_running
    from aigestion.cli.views import ViewsAtRest, views_over_http

    settings = servers()
    if settings is None:
        need_data_dir(data_dir)
    doors = running(data_dir) if settings is None else None
    async with AsyncExitStack() as stack:
        log: MirroredLog
        views: Views
        if settings is not None:
            log = system = await stack.enter_async_context(open_on_servers(settings))
            views = ViewsAtRest(system.projections)
        elif doors is None:
            log = system = await stack.enter_async_context(open_at_rest(data_dir))
            views = ViewsAtRest(system.projections)
        else:
            log = await stack.enter_async_context(open_running(data_dir, doors))
            views = await stack.enter_async_context(views_over_http(doors))
        opened = OpenedLog(log.store, log.codec.open)
        head = await log.store.head()
        with progress("log", head) as advance:
            of_log = await verify_log(opened, head=head, progress=advance)
        yield of_log
        yield await _of_broker(
            opened, log.broker, head, RELAY_SECONDS_MAX if doors or settings else None
        )
        if of_log.passed:
            async for finding in _of_views(views):
                yield finding
        else:
            yield _not_compared()


async def _of_export(directory: Path) -> "AsyncIterator[Finding]":
    from aigestion.audit.exported import verify_export
    from aigestion.audit.manifest import read_manifest

    manifest = read_manifest(directory)
    with progress("export", manifest.last if manifest else None) as advance:
        finding = await verify_export(directory, progress=advance)
    yield finding


async def _of_broker(
    log: "OpenedLog", broker: "Broker", head: int, relay_seconds: float | None
) -> "Finding":
    from aigestion.audit.broker import verify_broker
    from aigestion.events.catalog import Catalog
    from aigestion.kernel.clock import utc_now

    with progress("broker", head) as advance:
        return await verify_broker(
            log,
            Catalog(),
            broker,
            head=head,
            now=utc_now(),
            progress=advance,
            relay_seconds=relay_seconds,
        )


async def _of_views(views: "Views") -> "AsyncIterator[Finding]":
    from aigestion.audit.finding import Fault, Finding
    from aigestion.cli.projections import differs, finished

    for row in await views.status():
        if row.view is None:
            note = "not compared: it is being built, and serves nobody yet"
            yield Finding(check=f"view {row.name}", checked=0, unit="rows", note=note)
            continue
        result = await finished(f"view {row.name}", views.verify(row.name))
        fault = None
        if result["differing_rows"] or result.get("parked"):
            # A row that no event accounts for has no position of its own.
            known = (result["first"] or {}).get("position"), result.get("parked_from")
            first = min((one for one in known if one is not None), default=result["position"])
            fault = Fault(first, differs(result))
        yield Finding(
            check=f"view {row.name}",
            checked=result["found"]["rows"],
            unit="rows",
            note=f"at position {result['position']}",
            fault=fault,
        )


def _not_compared() -> "Finding":
    from aigestion.audit.finding import Finding

    note = "not compared: a log with a fault has no fold"
    return Finding(check="views", checked=0, unit="rows", note=note)


def _line(finding: "Finding") -> str:
    note = quiet(f"  ({one_line(finding.note)})") if finding.note else ""
    if finding.fault is not None:
        fault = f"position {finding.fault.position}: {one_line(finding.fault.message)}"
        return f"{bad('FAIL')}  {finding.check:<22}  {fault}{note}"
    if not finding.checked and finding.note:
        return f"{doubtful('--')}    {finding.check:<22}  {one_line(finding.note)}"
    proved = _PASSED.get(finding.check, "equal a fold of the log")
    return f"{good('ok')}    {finding.check:<22}  {finding.checked} {finding.unit}: {proved}{note}"
