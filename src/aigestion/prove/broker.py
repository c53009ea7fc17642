"""The broker, and all that can be done to it and its files."""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import nats

from aigestion.embedded.datadir import DataDir
from aigestion.embedded.nats import EmbeddedNats
from aigestion.embedded.pid_file import holders
from aigestion.prove.broker_files import erase, flip_bit
from aigestion.prove.machine import fill
from aigestion.prove.node import Node
from aigestion.prove.wire import Wire

STREAM = "EVENTS"
DAMAGED_SECONDS_MAX = 10.0
"""After this time a broker with damaged files is taken for one that does not start."""


class Broker:
    """One fault at a time; whatever was done, it works again when a method returns."""

    def __init__(self, data_dir: DataDir) -> None:
        self._data_dir = data_dir
        self._nats = EmbeddedNats(data_dir)
        self._turn = asyncio.Lock()

    @property
    def port(self) -> int:
        return self._nats.port

    def url(self, user: str) -> str:
        """With the credential of this user."""
        return self._nats.url(user)

    async def start(self) -> None:
        await self._nats.start()

    async def stop(self) -> None:
        await self._nats.stop()

    async def kill(self) -> None:
        """kill -9 the broker, and start it again."""
        async with self._turn:
            await self._down()
            await self._nats.start()

    async def copy(self) -> None:
        """Keep a copy of the broker's files as they are now, while it works on."""
        async with self._turn:
            await _copied(self._store, self._old_store)

    async def roll_back(self) -> int:
        """kill -9 the broker and give it the older copy of its files; returns how many messages that lost."""
        async with self._turn:
            before = await self.last_sequence() or 0
            await self._down()
            await asyncio.to_thread(shutil.rmtree, self._store)
            await asyncio.to_thread(self._old_store.rename, self._store)
            await self._nats.start()
            after = await self.last_sequence() or 0
            await _copied(self._store, self._old_store)
        return max(0, before - after)

    async def empty(self) -> int:
        """kill -9 the broker and start it without any files; returns how many messages that lost."""
        async with self._turn:
            lost = await self.last_sequence() or 0
            await self._down()
            await asyncio.to_thread(shutil.rmtree, self._store)
            await self._nats.start()
            await _copied(self._store, self._old_store)
        return lost

    async def erase_unheard(self, reader: Node, wire: Wire, seconds: float) -> int:
        """Stop who reads from it over this wire for so long, and take what came meanwhile out of the broker's files.

        The last message stays: it is what betrays the hole. Returns how many were taken out.
        """
        async with self._turn:
            heard = await self.last_sequence() or 0
            reader.pause()
            wire.replies.clear()  # or its kernel would hear for it
            try:
                await asyncio.sleep(seconds)
                last = await self.last_sequence() or heard
                await self._down()
                erased = await asyncio.to_thread(erase, self._store, heard + 1, last - 1)
                await self._nats.start()
            finally:
                wire.reset()
                wire.mend()
                reader.resume()
        return erased

    async def flip_bit(self, pick: float) -> int:
        """kill -9 the broker and flip a bit in one of its blocks; returns how many messages that lost.

        There are bits that it never starts with again (one in a sequence number makes it count to a
        trillion): then it gets what a person would give it, an empty folder.
        """
        async with self._turn:
            before, holes = await self.last_sequence() or 0, len(await self.missing())
            await self._down()
            await asyncio.to_thread(flip_bit, self._store, pick)
            try:
                async with asyncio.timeout(DAMAGED_SECONDS_MAX):
                    await self._nats.start()
            except TimeoutError:
                await self._down()
                await asyncio.to_thread(shutil.rmtree, self._store)
                await self._nats.start()
            after, holes_now = await self.last_sequence() or 0, len(await self.missing())
        return max(0, before - after) + max(0, holes_now - holes)

    async def missing(self) -> list[int]:
        """The sequences before its last that the broker's stream does not have."""
        with suppress(nats.errors.Error, OSError, TimeoutError):
            client = await nats.connect(
                self._nats.url("app"), connect_timeout=2, allow_reconnect=False, error_cb=_quiet
            )
            try:
                subject = f"$JS.API.STREAM.INFO.{STREAM}"
                answer = await client.request(subject, b'{"deleted_details":true}', timeout=5)
                return list(json.loads(answer.data).get("state", {}).get("deleted") or ())
            finally:
                await client.close()
        return []

    async def fill_disk(self, seconds: float) -> None:
        """No room for the broker, for so long."""
        ballast = await asyncio.to_thread(fill, self._data_dir.nats)
        try:
            await asyncio.sleep(seconds)
        finally:
            ballast.unlink(missing_ok=True)

    async def last_sequence(self) -> int | None:
        """The broker's; None if it has no stream or does not answer."""
        with suppress(nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError):
            client = await nats.connect(
                self._nats.url("app"), connect_timeout=2, allow_reconnect=False, error_cb=_quiet
            )
            try:
                return (await client.jetstream(timeout=2).stream_info(STREAM)).state.last_seq
            finally:
                await client.close()
        return None

    @property
    def _store(self) -> Path:
        return self._data_dir.nats / "store"

    @property
    def _old_store(self) -> Path:
        return self._data_dir.nats / "store.old"

    async def _down(self) -> None:
        kill_tree(self._data_dir.run / "nats.pid", "nats-server")
        await self._nats.stop()


def kill_tree(pid_file: Path, program: str) -> None:
    """kill -9 whoever holds this lock: the server and its children, and nobody else."""
    for pid in _holding(pid_file, program):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _holding(pid_file: Path, program: str) -> Iterable[int]:
    return holders(pid_file, program) if pid_file.exists() else ()


async def _copied(store: Path, copy: Path) -> None:
    """Copy a folder that is being written to; files that vanish meanwhile are left out."""
    await asyncio.to_thread(shutil.rmtree, copy, ignore_errors=True)
    process = await asyncio.create_subprocess_exec(
        "cp", "-a", str(store), str(copy), stderr=asyncio.subprocess.DEVNULL
    )
    await process.wait()


async def _quiet(_error: Exception) -> None:
    """A broker that is away is what this is about."""
