"""What nats-server is told: one account, and for each part of the program a user with just its rights."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aigestion.embedded.nats_grants import Grant

STREAM = "EVENTS"
USERS = ("relay", "app", "reader", "sys")
PAYLOAD_BYTES_MAX = 1024 * 1024
MEMORY_BYTES_MAX = 64 * 1024 * 1024
STORE_BYTES_MAX = 32 * 1024 * 1024 * 1024
"""A week of events. When it is full the relay waits, and the log goes on."""

_READ_STREAM = (
    "$JS.API.INFO",
    "$JS.API.STREAM.NAMES",
    f"$JS.API.STREAM.INFO.{STREAM}",
    f"$JS.API.STREAM.MSG.GET.{STREAM}",
)
_RELAY = (
    "events.>",
    *_READ_STREAM,
    f"$JS.API.STREAM.CREATE.{STREAM}",
    f"$JS.API.STREAM.UPDATE.{STREAM}",
)
"""Nobody may delete or purge the stream: who wants another one stops the program and removes it."""
_APP = (
    "live.>",
    *_READ_STREAM,
    f"$JS.API.CONSUMER.CREATE.{STREAM}",
    f"$JS.API.CONSUMER.CREATE.{STREAM}.>",
    f"$JS.API.CONSUMER.DURABLE.CREATE.{STREAM}.*",
    f"$JS.API.CONSUMER.INFO.{STREAM}.*",
    f"$JS.API.CONSUMER.LIST.{STREAM}",
    f"$JS.API.CONSUMER.NAMES.{STREAM}",
    f"$JS.API.CONSUMER.DELETE.{STREAM}.*",
    f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.*",
    # A later server may ask for acks under domain and account first; 2.15 does so on demand only.
    f"$JS.ACK.{STREAM}.>",
    f"$JS.FC.{STREAM}.>",
)


def configuration(port: int, passwords: Mapping[str, str], grants: Sequence[Grant] = ()) -> str:
    """The file's text, for a server that is started in its own folder; JSON is valid in its format.

    `passwords` has one for each of `USERS`; each of `grants` is a user with a key.
    """
    users = [
        _user("relay", passwords, publish=_RELAY, subscribe=["_INBOX.>"]),
        _user("app", passwords, publish=_APP, subscribe=["events.>", "live.>", "_INBOX.>"]),
        # No inboxes: with them it could listen to the answers others get.
        _user("reader", passwords, publish=(), subscribe=["events.>"]),
        *(granted_user(grant) for grant in grants),
    ]
    told = {
        "server_name": "aigestion",
        "listen": f"127.0.0.1:{port}",
        "http": "127.0.0.1:-1",
        "ports_file_dir": ".",
        "max_payload": PAYLOAD_BYTES_MAX,
        "jetstream": {
            "store_dir": "store",
            "max_memory_store": MEMORY_BYTES_MAX,
            "max_file_store": STORE_BYTES_MAX,
            "sync_interval": "always",
        },
        "accounts": {
            "AIGESTION": {"jetstream": "enabled", "users": users},
            "SYS": {"users": [{"user": "sys", "password": passwords["sys"]}]},
        },
        "system_account": "SYS",
    }
    return json.dumps(told, indent=2) + "\n"


def granted_user(grant: Grant) -> dict[str, Any]:
    """A user that reads its events through the one consumer that has its name, and nothing else.

    The filter stands in the subject that makes the consumer, and the server compares it with the one
    it makes. The client must ask with the inbox prefix `inbox_prefix`, where nobody else hears answers.
    """
    consumer = f"{STREAM}.{grant.name}"
    publish = [
        f"$JS.API.CONSUMER.CREATE.{consumer}.{granted_subject(grant)}",
        f"$JS.API.CONSUMER.INFO.{consumer}",
        f"$JS.API.CONSUMER.DELETE.{consumer}",
        f"$JS.API.CONSUMER.MSG.NEXT.{consumer}",
        f"$JS.ACK.{consumer}.>",
    ]
    permissions = {
        "publish": {"allow": publish},
        "subscribe": {"allow": [f"{inbox_prefix(grant)}.>"]},
    }
    return {"nkey": grant.public_key, "permissions": permissions}


def granted_subject(grant: Grant) -> str:
    """What its consumer's filter must be: `events.acme.user.*`."""
    return f"events.{grant.tenant}.{'>' if grant.types == '*' else grant.types}"


def inbox_prefix(grant: Grant) -> str:
    return f"_INBOX.{grant.name}"


def _user(
    name: str, passwords: Mapping[str, str], *, publish: tuple[str, ...], subscribe: list[str]
) -> dict[str, Any]:
    permissions = {
        "publish": {"allow": list(publish)} if publish else {"deny": [">"]},
        "subscribe": {"allow": subscribe},
    }
    return {"user": name, "password": passwords[name], "permissions": permissions}
