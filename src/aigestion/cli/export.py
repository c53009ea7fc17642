"""`aigestion audit export`: the log in files that prove themselves."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aigestion.cli.connection import open_log
from aigestion.cli.options import Point, beyond_http, data_dir_option, json_option, run
from aigestion.cli.progress import progress
from aigestion.cli.text import good, json_line, one_line
from aigestion.kernel.errors import InvalidInput, Misconfigured

if TYPE_CHECKING:
    from aigestion.audit.manifest import Format, Manifest
    from aigestion.eventstore.reader import Events


@click.command(epilog="Example:  aigestion audit export --from 2026-05-01 --to 2026-06-01 may")
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--from", "begin", type=Point(), help="From this position or time on.  [default: 1]")
@click.option(
    "--to",
    "end",
    type=Point(),
    help="Up to this position, or before this time.  [default: the head]",
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["jsonl", "parquet"]),
    default="jsonl",
    show_default=True,
    help="Parquet needs chDB, which the extra `embedded` brings.",
)
@data_dir_option
@beyond_http
@json_option
def export(
    directory: Path,
    begin: int | datetime | None,
    end: int | datetime | None,
    file_format: "Format",
    data_dir: Path,
    as_json: bool,
) -> None:
    """Write the log's events, opened and of every tenant, to files in DIR, with a manifest.

    The manifest has the count, first and last position and SHA-256 of each file. Broken off, the same
    command again goes on; finished files are checked and kept. What is erased later stays in the
    files: keep them as you keep personal data. `audit verify --export DIR` proves them, offline.
    """

    async def work() -> "Manifest":
        from aigestion.audit.export import export as export_log

        async with open_log(data_dir) as log:
            wanted = await _wanted(log.reader, directory, begin, end, file_format)
            with progress("export", wanted.last) as advance:
                return await export_log(log.reader, directory, wanted, progress=advance)

    try:
        manifest = run(work())
    except OSError as error:
        raise Misconfigured(f"{directory} cannot be written: {error.strerror}.") from error
    click.echo(json_line(_summary(directory, manifest)) if as_json else _said(directory, manifest))


async def _wanted(
    log: "Events",
    directory: Path,
    begin: int | datetime | None,
    end: int | datetime | None,
    file_format: "Format",
) -> "Manifest":
    """What is asked for; where nothing is said, what an export that was begun there says."""
    from aigestion.audit.manifest import Manifest, read_manifest
    from aigestion.audit.reading import position_at

    standing = read_manifest(directory)
    head = await log.head()
    first, last = (1, head) if standing is None else (standing.first, standing.last)
    if begin is not None:
        first = begin if isinstance(begin, int) else await position_at(log, begin) + 1
    if end is not None:
        last = await position_at(log, end)
    if last > head:
        raise InvalidInput(f"The log ends at position {head}: it has no {last}.")
    if first > last:
        raise InvalidInput(f"There is nothing to export from position {first} to {last}.")
    return Manifest(format=file_format, first=first, last=last)


def _summary(directory: Path, manifest: "Manifest") -> dict[str, Any]:
    import msgspec

    from aigestion.audit.manifest import MANIFEST, sha256_of

    own = {"manifest_sha256": sha256_of(directory / MANIFEST), "files": len(manifest.files)}
    return {**msgspec.to_builtins(manifest), **own}


def _said(directory: Path, manifest: "Manifest") -> str:
    told = _summary(directory, manifest)
    files = "1 file" if told["files"] == 1 else f"{told['files']} files"
    return (
        f"{good('exported')} {manifest.events} events, positions {manifest.first} to {manifest.last}, "
        f"in {files} in {one_line(str(directory))}\n"
        f"manifest SHA-256 {told['manifest_sha256']} (note it elsewhere: it proves the manifest)"
    )
