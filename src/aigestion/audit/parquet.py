"""Parquet files of events, written and counted by chDB in a process of its own.

A process may open one ClickHouse only, and the one that exports may have opened it on a data dir.

    python -m aigestion.audit.parquet write IN.jsonl OUT.parquet
    python -m aigestion.audit.parquet count IN.parquet
"""

import asyncio
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from aigestion.kernel.errors import Corrupt, Misconfigured

COLUMNS = (
    "position UInt64, id String, type String, schema_version UInt32, tags Array(String), "
    "tenant String, actor String, correlation_id String, causation_id Nullable(String), "
    "occurred_at DateTime64(6, 'UTC'), recorded_at DateTime64(6, 'UTC'), data String, "
    "erased Array(String)"
)
"""Of a file; `data` is the event's JSON."""

_WRITE = """
INSERT INTO FUNCTION file('{target}', 'Parquet')
SELECT * FROM file('{source}', 'JSONEachRow', $${columns}$$)
SETTINGS date_time_input_format = 'best_effort', input_format_json_read_objects_as_strings = 1,
    output_format_parquet_string_as_string = 1, engine_file_truncate_on_insert = 1,
    input_format_parallel_parsing = 0, max_insert_threads = 1, max_threads = 1
"""
_COUNT = """
SELECT count(), min(position), max(position), uniqExact(position)
FROM file('{source}', 'Parquet', 'position UInt64')
"""


class Counted(msgspec.Struct, frozen=True, array_like=True):
    """What is in a file."""

    events: int
    first: int
    last: int
    positions: int
    """How many different ones."""


def is_there() -> bool:
    """Whether chDB is installed."""
    return find_spec("chdb") is not None


def need_chdb() -> None:
    """`Misconfigured` says how to get chDB where it is missing."""
    if not is_there():
        raise Misconfigured("Parquet needs chDB: pip install 'aigestion[embedded]'.")


async def write_parquet(source: Path, target: Path) -> None:
    """Turn a file of JSON lines into Parquet, beside it. `Corrupt` says why not."""
    await _in_a_process("write", source, target)


async def count_parquet(source: Path) -> Counted:
    """`Corrupt` for a file that is no Parquet of ours."""
    answer = await _in_a_process("count", source)
    try:
        return msgspec.json.decode(answer, type=Counted)
    except msgspec.MsgspecError as error:
        raise Corrupt(f"{source.name} cannot be counted: {error}") from error


async def _in_a_process(what: str, *paths: Path) -> bytes:
    """Among links to the files: the engine takes some characters of their paths for a pattern."""
    with TemporaryDirectory(prefix="aigestion-") as folder:
        links = [Path(folder) / path.name for path in paths]
        for link, path in zip(links, paths, strict=True):
            link.symlink_to(path.absolute())
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", __name__, what, *(link.name for link in links)),
            cwd=folder,
            umask=0o077,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            answer, complaint = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
    if process.returncode:
        said = complaint.decode(errors="replace").strip().splitlines() or ["it was ended"]
        raise Corrupt(f"chDB could not {what} {paths[0].name}: {said[-1]}")
    return answer


def _main(what: str, source: str, target: str = "") -> None:
    import chdb

    statement = (_WRITE if what == "write" else _COUNT).format(
        source=source, target=target, columns=COLUMNS
    )
    sys.stdout.write(str(chdb.query(statement, "JSONCompactEachRow")))  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    _main(*sys.argv[1:])
