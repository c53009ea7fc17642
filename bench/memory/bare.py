"""A Litestar application that has nothing, in a process of its own, as ours is served."""

import asyncio
import json
import signal
import sys

import uvloop
from litestar import Litestar, get, post

from aigestion.api.server import serving


@get("/health/live")
async def live() -> str:
    return "alive"


@post("/", status_code=202)
async def take(data: dict[str, object]) -> dict[str, int]:
    return {"fields": len(data)}


async def main(port: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    app = Litestar([live, take])
    async with serving(app, host="127.0.0.1", port=port, draining=asyncio.Event()) as taken:
        print(json.dumps({"port": taken}), flush=True)
        await stop.wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
