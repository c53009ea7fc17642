"""Prints what users do, as it happens: any NATS client in any language can do the same.

python examples/subscriber.py [.aigestion/connect.json] [events.demo.user.*]
"""

import asyncio
import contextlib
import json
import sys
from pathlib import Path

import nats


async def listen(doors: dict[str, str], subject: str) -> None:
    broker = await nats.connect(
        doors["nats_url"],
        user=doors["nats_user"],
        password=doors["nats_password"],  # may subscribe, and nothing else
    )
    subscription = await broker.subscribe(subject)
    await broker.flush()
    print(f"listening to {subject}", file=sys.stderr, flush=True)
    async for message in subscription.messages:
        headers = message.headers or {}
        # Positions are dense. A subscriber to everything that misses one reads it from /v1/events.
        print(headers["ce-position"], headers["ce-type"], message.data.decode(), flush=True)


if __name__ == "__main__":
    connect_file = sys.argv[1] if len(sys.argv) > 1 else ".aigestion/connect.json"
    subject = sys.argv[2] if len(sys.argv) > 2 else "events.demo.user.*"
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(listen(json.loads(Path(connect_file).read_text()), subject))
