"""A program that runs both engines on a data dir, for tests that kill it: prints where, waits for SIGTERM."""

import asyncio
import json
import signal
import sys
from pathlib import Path

from aigestion.embedded.datadir import DataDir
from aigestion.embedded.nats import EmbeddedNats
from aigestion.embedded.postgres import EmbeddedPostgres
from aigestion.kernel.errors import AIGestionError


async def run(data_dir: DataDir) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    with data_dir.locked():
        postgres = EmbeddedPostgres(data_dir, initdb_options=("--no-sync",))
        nats = EmbeddedNats(data_dir)
        await asyncio.gather(postgres.start(), nats.start())
        found = [status for status in (postgres.status(), nats.status()) if status]
        told = {
            "postgres": postgres.owner_url,
            "nats": nats.url("relay"),
            "pids": [status.pid for status in found],
        }
        print(json.dumps(told), flush=True)
        await stopped.wait()
        await asyncio.gather(postgres.stop(), nats.stop())


if __name__ == "__main__":
    try:
        asyncio.run(run(DataDir(Path(sys.argv[1]))))
    except AIGestionError as error:
        sys.exit(error.message)
