"""What `aigestion audit verify` finds, one after the other: of a system, of an export, of a proof."""

from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from aigestion.cli.connection import need_data_dir, running, servers
from aigestion.cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from aigestion.audit.finding import Finding, OpenedLog
    from aigestion.audit.note import PublicKey
    from aigestion.bootstrap.offline import MirroredLog
    from aigestion.cli.views import Views
    from aigestion.messaging.port import Broker

RELAY_SECONDS_MAX = 5.0
"""How long a running relay may take to bring what is new."""


async def of_system(
    data_dir: Path, kept: "Sequence[Path]", keys: "Sequence[PublicKey]"
) -> "AsyncGenerator[Finding, None]":
    from aigestion.audit.checkpoints import AgainstCheckpoints
    from aigestion.audit.finding import OpenedLog
    from aigestion.audit.kept import kept_checkpoints
    from aigestion.audit.log import verify_log
    from aigestion.bootstrap.offline import open_at_rest, open_on_servers, open_running
    from aigestion.cli.views import ViewsAtRest, views_over_http

    elsewhere = kept_checkpoints(kept, keys)
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
        against = AgainstCheckpoints(log.checkpoints, keys, elsewhere)
        await against.begin()
        with progress("log", head) as advance:
            of_log = await verify_log(opened, head=head, progress=advance, see=against.see)
        yield of_log
        yield await against.finding(log.store, head)
        yield await _of_broker(
            opened, log.broker, head, RELAY_SECONDS_MAX if doors or settings else None
        )
        if of_log.passed:
            async with aclosing(_of_views(views)) as findings:
                async for finding in findings:
                    yield finding
        else:
            yield _not_compared()


async def of_export(directory: Path) -> "AsyncGenerator[Finding, None]":
    from aigestion.audit.exported import verify_export
    from aigestion.audit.manifest import read_manifest

    manifest = read_manifest(directory)
    with progress("export", manifest.last if manifest else None) as advance:
        finding = await verify_export(directory, progress=advance)
    yield finding


async def of_proof(
    content: bytes, kept: "Sequence[Path]", keys: "Sequence[PublicKey]"
) -> "AsyncGenerator[Finding, None]":
    from aigestion.audit.kept import kept_checkpoints
    from aigestion.audit.proof import decode_proof, verify_proof

    yield verify_proof(decode_proof(content), keys, kept_checkpoints(kept, keys))


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


async def _of_views(views: "Views") -> "AsyncGenerator[Finding, None]":
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
