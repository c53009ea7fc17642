"""Prints what users do, from the first event on; started again it goes on where it was.

pip install -r requirements.txt
aigestion nats grant demo --types 'user.*' > credential.json
python subscriber.py credential.json position.txt
"""

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path

import nats
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError


async def listen(grant: dict[str, str], remembered: Path) -> None:
    position = int(remembered.read_text()) if remembered.exists() else 0
    draft = remembered.with_suffix(".draft")
    broker = await nats.connect(
        grant["url"],
        nkeys_seed_str=grant["seed"],
        inbox_prefix=grant["inbox_prefix"],
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.2,
    )
    js, stream, name = broker.jetstream(), grant["stream"], grant["consumer"]
    while True:  # whenever in doubt, ask again for what comes behind our position
        try:
            with suppress(NotFoundError):
                await js.delete_consumer(stream, name)
            config = ConsumerConfig(
                name=name,
                filter_subject=grant["subject"],
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=position + 1,  # the sequence is the log's position
                ack_policy=AckPolicy.NONE,
                mem_storage=True,
            )
            await js.add_consumer(stream, config)
            pull, count = await js.pull_subscribe_bind(name, stream=stream), 0
            while True:
                for message in await pull.fetch(500, timeout=2):  # raises when it is quiet
                    sequence, count = message.metadata.sequence, count + 1
                    if sequence.consumer != count:
                        raise nats.errors.Error("a message was lost on the way")
                    print(sequence.stream, message.subject, message.data.decode(), flush=True)
                    position = sequence.stream
                    draft.write_text(str(position))
                    draft.replace(remembered)
        except (nats.errors.Error, TimeoutError):
            await asyncio.sleep(0.2)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(listen(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])))
