"""The broker: a JetStream stream whose sequence is the log's position (law 3)."""

import json
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from itertools import chain, islice, pairwise
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import nats.errors
from nats.aio.client import Client
from nats.js import api
from nats.js import errors as js_errors

from aigestion.kernel.errors import (
    LogEpochMismatch,
    Misconfigured,
    SequenceMismatch,
    Unavailable,
)
from aigestion.kernel.ids import new_id
from aigestion.messaging.ordered_consumer import ordered_messages
from aigestion.messaging.port import Message
from aigestion.messaging.subjects import EVENT_SUBJECTS, STREAM

RETENTION = timedelta(days=7)
REQUEST_TIMEOUT_SECONDS = 2.0
"""The client does not say when the connection breaks under a request: this is how long that takes."""
SINGLE_MESSAGES_MAX = 4
"""So few are sent one by one: a message costs the server one sync to disk, an atomic batch four, and
some thirty operations on files."""
BATCH_BYTES_MAX = 4 * 1024 * 1024
"""An atomic batch that is as large ends there."""
WRONG_LAST_SEQUENCE = 10071
"""The server's error code for a message that does not follow the stream's last one."""
STREAM_NAME_IN_USE = 10058
"""And for a stream that is there with other settings; where it begins is one of them."""

_NOT_REACHED = (nats.errors.Error, js_errors.Error, OSError, TimeoutError)


class JetStreamBroker:
    """Law 3's stream on a NATS server from 2.12.

    The connection must have been made with `max_reconnect_attempts=-1`: it is expected to come back.
    """

    def __init__(
        self, connection: Client, *, retention: timedelta = RETENTION, replicas: int = 1
    ) -> None:
        self.retention = retention
        self._nats = connection
        self._js = connection.jetstream(timeout=REQUEST_TIMEOUT_SECONDS)
        self._replicas = replicas
        self.missing = 0
        """Holes in the stream when it was last looked at: its files were damaged, and readers go to the log."""

    async def last_sequence(self) -> int | None:
        try:
            info = await self._js.stream_info(STREAM)
        except js_errors.NotFoundError:
            return None
        except _NOT_REACHED as error:
            raise _unavailable(error) from error
        _refuse_drift(info.config, self._settings())
        state = info.state
        self.missing = max(0, state.last_seq - state.first_seq + 1 - state.messages)
        return state.last_seq

    async def create(self, first_sequence: int) -> None:
        config = api.StreamConfig(name=STREAM, first_seq=first_sequence, **self._settings())
        try:
            await self._js.add_stream(config)
        except js_errors.BadRequestError as error:
            if error.err_code == STREAM_NAME_IN_USE:  # another relay was faster, a moment ago
                return
            raise Misconfigured(f"the broker refuses the stream {STREAM}: {error}") from error
        except _NOT_REACHED as error:
            raise _unavailable(error) from error

    async def event_id_at(self, sequence: int) -> UUID | None:
        try:
            message = await self._js.get_msg(STREAM, seq=sequence)
        except js_errors.NotFoundError:
            return None
        except _NOT_REACHED as error:
            raise _unavailable(error) from error
        stated = (message.headers or {}).get("ce-id")
        return UUID(unquote(stated)) if stated else None

    async def publish(self, messages: Iterable[Message]) -> None:
        if not self._nats.is_connected:
            # The client would keep them and send them who knows when.
            raise Unavailable("the broker is not connected", engine="nats")
        rest = iter(messages)
        first = list(islice(rest, SINGLE_MESSAGES_MAX + 1))
        if len(first) > SINGLE_MESSAGES_MAX:
            await self._publish_in_batches(chain(first, rest))
            return
        for message in first:
            answer = await self._ask(message, _following(message.position))
            _judge(answer, message.position)

    async def _publish_in_batches(self, messages: Iterable[Message]) -> None:
        """As one atomic batch, or several if it would be too large."""
        number = size = 0
        for message, following in pairwise(chain(messages, (None,))):
            assert message is not None
            number += 1
            size += len(message.data) + sum(map(len, message.headers.values()))
            headers = {"Nats-Batch-Sequence": str(number)}
            if number == 1:
                batch_id = new_id().hex
                headers |= _following(message.position)
            headers["Nats-Batch-Id"] = batch_id
            if following is not None and size < BATCH_BYTES_MAX:
                await self._send(message, headers)
                continue
            answer = await self._ask(message, headers | {"Nats-Batch-Commit": "1"})
            _judge(answer, message.position)
            number = size = 0

    async def _send(self, message: Message, extra_headers: dict[str, str]) -> None:
        """Publish one message; it is the end of its batch that is answered."""
        headers = {**message.headers, **extra_headers}
        try:
            await self._nats.publish(message.subject, message.data, headers=headers)
        except _NOT_REACHED as error:
            raise _unavailable(error) from error

    async def _ask(self, message: Message, extra_headers: dict[str, str]) -> dict[str, Any]:
        """Publish one message and wait for the stream's answer."""
        headers = {**message.headers, **extra_headers}
        try:
            reply = await self._nats.request(
                message.subject, message.data, timeout=REQUEST_TIMEOUT_SECONDS, headers=headers
            )
        except _NOT_REACHED as error:
            raise _unavailable(error) from error
        answer: dict[str, Any] = json.loads(reply.data)
        return answer

    def messages(self, after: int) -> AsyncIterator[list[Message]]:
        return ordered_messages(self._nats, after)

    def _settings(self) -> dict[str, Any]:
        """What the stream must be; anything else may lose, reorder or double events."""
        return {
            "subjects": [EVENT_SUBJECTS],
            "storage": api.StorageType.FILE,
            "retention": api.RetentionPolicy.LIMITS,
            "discard": api.DiscardPolicy.NEW,
            "max_age": self.retention.total_seconds(),
            "max_msgs": -1,
            "max_bytes": -1,
            "max_msgs_per_subject": -1,
            "num_replicas": self._replicas,
            "deny_delete": True,
            "deny_purge": True,
            "allow_atomic": True,
            "allow_rollup_hdrs": False,
            "allow_msg_ttl": False,
            "allow_msg_schedules": False,
            "allow_msg_counter": False,
            "sealed": False,
            "no_ack": False,
            "mirror": None,
            "sources": None,
            "subject_transform": None,
            "persist_mode": None,
        }


def _following(position: int) -> dict[str, str]:
    """The headers that bind a message to the stream's end."""
    return {"Nats-Expected-Stream": STREAM, "Nats-Expected-Last-Sequence": str(position - 1)}


def _judge(answer: dict[str, Any], position: int) -> None:
    error = answer.get("error")
    if error is not None:
        if error.get("err_code") == WRONG_LAST_SEQUENCE:
            raise SequenceMismatch(
                f"the broker refused position {position}: {error['description']}"
            )
        raise Unavailable(f"the broker refused position {position}: {error}", engine="nats")
    if answer.get("seq") != position:
        raise LogEpochMismatch(
            f"the broker stored position {position} as {answer.get('seq')}: the stream "
            f"{STREAM} does not follow the log any more; delete it and it will be made anew"
        )


def _refuse_drift(config: api.StreamConfig, settings: dict[str, Any]) -> None:
    # The server leaves out what is off.
    for name, wanted in settings.items():
        found = getattr(config, name)
        if found != wanted and (found or wanted):
            raise Misconfigured(
                f"the stream {STREAM} has {name} = {found}; it must be {wanted}: "
                f"change it with `nats stream edit`, or delete the stream and it will be made anew"
            )


def _unavailable(error: BaseException) -> Unavailable:
    said = str(error) or type(error).__name__
    return Unavailable(f"the broker does not answer: {said}", engine="nats")
