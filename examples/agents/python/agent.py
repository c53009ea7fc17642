"""A whole agent that runs outside: hears what users write over NATS, answers over HTTP.

pip install -r requirements.txt
aigestion nats grant demo --types 'user.*' > credential.json
AIGESTION_URL=http://127.0.0.1:8080 AIGESTION_KEY=… python agent.py credential.json position.txt

The key needs the scope `agent`. Conversations started with `"agent": "shouter"` are answered here.
"""

import asyncio
import json
import os
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import nats
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

NAME = "shouter"
URL, KEY = os.environ["AIGESTION_URL"], os.environ["AIGESTION_KEY"]


def post(path: str, body: dict[str, Any], *, over: tuple[int, ...] = ()) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    request = urllib.request.Request(URL + path, json.dumps(body).encode(), headers)
    try:
        urllib.request.urlopen(request, timeout=30).close()
    except urllib.error.HTTPError as error:
        if error.code in (429, 502, 503, 504):
            raise  # tried again
        if error.code not in over:
            sys.exit(f"{path}: {error.read().decode()}")


def answer(event: dict[str, Any], event_id: str) -> None:
    """Where a model would be asked. Its call can be told of, and is priced: `model_call`."""
    path = f"/v1/conversations/{event['conversation_id']}/interactions/{event_id}/reply"
    post(path, {"text": event["text"].upper()}, over=(404, 409))  # answered before a crash


async def work(grant: dict[str, str], remembered: Path) -> None:
    await asyncio.to_thread(post, f"/v1/agents/{NAME}/register", {"description": "Shouts back."})
    position = int(remembered.read_text()) if remembered.exists() else 0
    options = {"nkeys_seed_str": grant["seed"], "inbox_prefix": grant["inbox_prefix"]}
    broker = await nats.connect(grant["url"], max_reconnect_attempts=-1, **options)
    js, stream, name = broker.jetstream(), grant["stream"], grant["consumer"]
    while True:  # whenever in doubt, ask again for what comes behind our position
        try:
            with suppress(NotFoundError):
                await js.delete_consumer(stream, name)
            config = ConsumerConfig(
                name=name,
                filter_subject=grant["subject"],
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=position + 1,
                ack_policy=AckPolicy.NONE,
                mem_storage=True,
            )
            await js.add_consumer(stream, config)
            pull = await js.pull_subscribe_bind(name, stream=stream)
            while True:
                [message] = await pull.fetch(1, timeout=2)  # raises when it is quiet
                event = json.loads(message.data)
                if message.subject.endswith(".user.chat") and event["agent"] == NAME:
                    await asyncio.to_thread(answer, event, message.headers["ce-id"])
                position = message.metadata.sequence.stream
                remembered.write_text(str(position))
        except (nats.errors.Error, TimeoutError, OSError):
            await asyncio.sleep(0.2)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(work(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])))
