"""A process that serves the API over a log in memory; prints its port, a key and a conversation's id."""

import asyncio
import signal
import sys

import uvloop

from aigestion.api.app import create_app
from aigestion.api.server import serving
from aigestion.commands.conversation.start_conversation import StartConversation
from aigestion.kernel.ids import new_id
from tests.support.api_fakes import World


async def main(conversations: int) -> None:
    world = World(heartbeat_seconds=60.0)
    ids = [new_id() for _ in range(conversations)]
    for one in ids:
        await world.happen(StartConversation(conversation_id=one, user_id="ana", agent="assistant"))
    app = create_app(world.doors)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with serving(app, host="127.0.0.1", port=0, draining=world.doors.draining) as port:
        print(port, world.demo.key, *ids, flush=True)
        await stopping.wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
