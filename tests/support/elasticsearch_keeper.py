"""A program that keeps an Elasticsearch running as long as a test run: ends both when the run has ended."""

import asyncio
import json
import shutil
import sys
from pathlib import Path

import psutil

from aigestion.embedded.datadir import DataDir
from aigestion.embedded.elasticsearch import EmbeddedElasticsearch
from aigestion.embedded.elasticsearch_home import prepared_home
from aigestion.embedded.privileges import engine_user
from aigestion.kernel.errors import Misconfigured, Unavailable

POLL_SECONDS = 0.5


async def run(folder: Path, version: str, controller: psutil.Process) -> None:
    try:
        await prepared_home(version, engine_user())
    except (Misconfigured, Unavailable) as error:
        tell(folder, {"cannot be had": error.message})
        await until_ended(controller)
        return
    data_dir = DataDir(folder / "data")
    with data_dir.locked():
        server = EmbeddedElasticsearch(data_dir, version)
        try:
            await server.start()
            tell(folder, {"url": server.url})
            await until_ended(controller)
        finally:
            await server.stop()
            shutil.rmtree(server.folder, ignore_errors=True)


def tell(folder: Path, told: dict[str, str]) -> None:
    draft = folder / "told.draft"
    draft.write_text(json.dumps(told))
    draft.rename(folder / "told.json")


async def until_ended(controller: psutil.Process) -> None:
    """Wait; a process of the same pid is another one."""
    while controller.is_running() and controller.status() != psutil.STATUS_ZOMBIE:
        await asyncio.sleep(POLL_SECONDS)


if __name__ == "__main__":
    home = Path(sys.argv[1])
    try:
        asyncio.run(run(home, sys.argv[2], psutil.Process(int(sys.argv[3]))))
    finally:
        shutil.rmtree(home, ignore_errors=True)
