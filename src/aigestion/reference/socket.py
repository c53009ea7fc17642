"""The page about a conversation's socket: what goes over it, and what its end says."""

from collections.abc import Iterator
from typing import Any

from aigestion.api.v1.socket_messages import CLOSE_CODES, Received
from aigestion.reference.markdown import code, literal, page, section, table

PATH = "/v1/conversations/{conversation_id}/socket"

_OPENING = """
`GET {path}?after=&min_position=` with the headers of a WebSocket. `after`: the position to begin behind, 0 if
not given. `min_position`: wait, briefly, until the log has it.

The key comes in `Authorization: Bearer <api key>`. A page's script can set no header: it offers subprotocols
instead, `aigestion.v1`, which is the one that is spoken then, `bearer.<api key>`, and `user.<id>` in
percent-encoding for the header `Aigestion-User`. A key is never part of the address, because addresses end up
in logs. The key needs the scope `events`; commands need `write`. A page of another origin is let in only if
`AIGESTION_HTTP__CORS_ORIGINS` names it.

Who may not open it is answered as a request is, with a status and a [problem](errors.md): 400, 401, 403, 404,
429 and 503. Browsers show their scripts neither, but the close code 1006.
"""

_FRAMES = (
    (
        "a type of event",
        "`position`, `data`",
        "Recorded in the conversation. `data` is what `/v1/events` shows of it.",
    ),
    (
        "`delta`",
        "`data.run_id`, `data.text`",
        "A piece of the reply that a run is writing. Not stored: the text of `agent.replied` counts.",
    ),
    (
        "`accepted`",
        "`id`, `position`, `data`",
        "What the message `id` asked for is in the log; `data` is what the same request answers.",
    ),
    (
        "`problem`",
        "`id`, `data`",
        "What the message `id` asked for was not done; `data` is the problem that a request gets.",
    ),
    ("`pong`", "`id`", "To a `ping`."),
    ("`heartbeat`", "", "There was nothing else for 15 seconds."),
    (
        "`end`, `dropped`",
        "`data.code`, `data.detail`, `data.after`",
        "The last one, before the server closes; `dropped` if nothing was taken for too long. `data.after`: the "
        "position of the last event before it.",
    ),
)

_LIMITS = """
A message is one JSON object as text, of at most 1 MiB; one larger than 16 MiB, or that is not UTF-8, ends the
connection without a code. What cannot be read is answered with a `problem`. Messages are done one after the
other, in the order they come in. Each is charged as the request for the same is; a `ping` is free.
"""


def socket_page() -> str:
    """How it is opened, what each side sends, and why it is closed."""
    intro = (
        f"A conversation over one WebSocket, `{PATH}`: what is recorded and the pieces of replies come in, as over "
        "[the stream](http.md), and what the user writes, says or does goes out. "
        "[Follow a conversation live](../guides/follow-a-conversation.md) shows it in use."
    )
    closes = [
        (str(one.code), ", ".join(literal(name) for name in _codes(one)), one.meaning)
        for one in dict.fromkeys(CLOSE_CODES.values())
    ]
    return page(
        "A conversation's socket",
        intro,
        section("Opening", _OPENING.strip().format(path=PATH)),
        section("What a client sends", _LIMITS.strip(), *_messages()),
        section("What the server sends", table(["`event`", "with", "meaning"], _FRAMES)),
        section(
            "Why the server closes",
            "The reason of the close is the code of the last message and its position, `draining after=41`: connect "
            "again with `?after=41`. The reason has no position if the last message was not "
            "taken; go on behind the last event you got then. Who takes nothing is given 30 seconds; the last message "
            "has one more, and the connection is cut then (1006).",
            table(["close", "`data.code`", "meaning"], closes),
        ),
    )


def _codes(close: Any) -> Iterator[str]:
    return (name for name, one in CLOSE_CODES.items() if one == close)


def _messages() -> Iterator[str]:
    schema = Received.model_json_schema()
    rows = []
    for reference in schema["discriminator"]["mapping"].values():
        message = schema["$defs"][reference.rpartition("/")[2]]
        fields = message["properties"]
        needed = [name for name in message["required"] if name != "type"]
        optional = [name for name in fields if name not in message["required"]]
        rows.append(
            (
                literal(fields["type"]["const"]),
                ", ".join(map(literal, needed)),
                ", ".join(map(literal, optional)),
                message["description"],
            )
        )
    yield table(["`type`", "needs", "may have", "meaning"], rows)
    yield code(
        '{"type": "user.chat", "payload": {"text": "Hello"}, "id": "1", "idempotency_key": "8f0c"}',
        "json",
    )
    yield (
        "`payload` is that of `POST …/interactions`. `id` comes back with the answer. With an "
        "`idempotency_key` a message can be sent again, on another connection as well: the first answer comes again."
    )
