"""A disk of PostgreSQL's own that can be full. What it writes then fails, and its journal, for which it ends itself."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from aigestion.embedded.postgres import SETTINGS
from aigestion.postgres import FAILED
from aigestion.prove.harm import Harm
from aigestion.prove.machine import disk_in_file, fill

MEBIBYTES = 4096
SEGMENTS_MAX = 40
CONNECT_SECONDS_MAX = 2.0
IMAGE = "postgres.img"
SETTINGS_ON_SMALL_DISK = {**SETTINGS, "min_wal_size": "32MB", "max_wal_size": "128MB"}
_USE_UP_SEGMENT = (
    "SELECT pg_logical_emit_message(false, 'prove', repeat('.', 1000)), pg_switch_wal()"
)


@contextmanager
def on_small_disk(cluster: Path) -> Iterator[None]:
    """Move a cluster at rest to a disk of its own inside the block; after it the disk is in the file `IMAGE`."""
    aside = cluster.with_name("postgres.aside")
    cluster.rename(aside)
    cluster.mkdir(mode=0o700)
    with disk_in_file(cluster, cluster.with_name(IMAGE), MEBIBYTES):
        for found in aside.iterdir():
            shutil.move(found, cluster / found.name)
        aside.rmdir()
        yield


async def fill_disk(cluster: Path, owner_url: str, seconds: float, harm: Harm) -> None:
    """No room for so long. Half the time nothing is forced; then the journal's spare files are used up.

    Without that it would write on for minutes into files that it has made in advance.
    """
    ballast = await asyncio.to_thread(fill, cluster)
    try:
        await asyncio.sleep(seconds / 2)
        async with asyncio.timeout(seconds / 2):
            await _use_up_journal(owner_url)
            harm.lost()
            await asyncio.sleep(seconds)
    except TimeoutError:
        pass
    finally:
        ballast.unlink(missing_ok=True)


async def _use_up_journal(owner_url: str) -> None:
    """Until the server can write no more, or is gone already."""
    try:
        owner = await asyncpg.connect(owner_url, timeout=CONNECT_SECONDS_MAX)
        try:
            for _ in range(SEGMENTS_MAX):
                await owner.execute(_USE_UP_SEGMENT)
        finally:
            owner.terminate()
    except FAILED:
        return
    await asyncio.Event().wait()  # there was room after all: nothing met it
