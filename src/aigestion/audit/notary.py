"""The notary: one leader reads the log as it grows and signs what its Merkle tree comes to (ADR 31)."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime

from aigestion.audit.leaf import leaf_of
from aigestion.audit.merkle import Frontier
from aigestion.audit.note import PublicKey, Signer
from aigestion.audit.opened_checkpoint import opened_checkpoint
from aigestion.eventstore.port import CheckpointStore, EventStore
from aigestion.kernel.cancellation import heed_cancellation
from aigestion.kernel.clock import Clock, utc_now
from aigestion.kernel.errors import AIGestionError, Corrupt
from aigestion.messaging.port import Leadership, Tenure

EVENTS_MAX = 1_000
"""A checkpoint at least every so many events: its list of hashes stays below 32 KiB."""
UNSIGNED_SECONDS_MAX = 10.0
"""How long an event waits for its checkpoint: what can still be changed without a trace is younger."""
POLL_SECONDS = 1.0
PAGE_EVENTS_MAX = 500
"""Read at a time, as the relay does that may share the event loop."""
HASHED_AT_ONCE_MAX = 100
"""A millisecond: then whoever shares the event loop has a turn."""
RETRY_SECONDS = 2.0

_log = logging.getLogger(__name__)


class Notary:
    """Signs checkpoints. Safe beside another: two that read one log sign the same.

    The attributes are for metrics.
    """

    def __init__(
        self,
        store: EventStore,
        checkpoints: CheckpointStore,
        signer: Signer,
        leadership: Leadership,
        *,
        known: Sequence[PublicKey] = (),
        unsigned_seconds_max: float = UNSIGNED_SECONDS_MAX,
        poll_seconds: float = POLL_SECONDS,
        clock: Clock = utc_now,
    ) -> None:
        """`known`: the keys of earlier checkpoints, which this notary goes on from."""
        self._store = store
        self._checkpoints = checkpoints
        self._signer = signer
        self._keys = (signer.public, *known)
        self._leadership = leadership
        self._unsigned_seconds_max = unsigned_seconds_max
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._tree = Frontier()
        self._unsigned: list[bytes] = []
        self.size = 0
        """The events that the last checkpoint covers, as this notary knows it."""
        self.made_at: datetime | None = None
        """When that was made; None if this notary knows of none."""
        self.is_leader = False
        self.stopped_because: AIGestionError | None = None
        """Why nothing is signed any more, if a person must look."""

    async def run(self) -> None:
        """Sign whenever this process leads, for ever; returns if a person must look (`stopped_because`)."""
        while self.stopped_because is None:
            async with self._leadership.held() as tenure:
                self.is_leader = True
                try:
                    await self._lead(tenure)
                except Corrupt as error:
                    self.stopped_because = error
                    _log.critical("no checkpoints are signed any more: %s", error)
                finally:
                    self.is_leader = False

    async def _lead(self, tenure: Tenure) -> None:
        while not tenure.lost:
            heed_cancellation()
            try:
                await self._resume()
                await self._go_on(tenure)
            except Corrupt:
                raise
            except Exception as error:
                _log.warning("the notary starts over: %s", error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _resume(self) -> None:
        """Go on behind the last checkpoint, if it is ours."""
        last = await self._checkpoints.last()
        if last is None:
            if self.size:
                raise Corrupt(f"The checkpoint of {self.size} events is gone.")
            self._tree, self._unsigned = Frontier(), []
            return
        if last.size < self.size:
            raise Corrupt(f"The checkpoint of {self.size} events is gone; {last.size} is the last.")
        try:
            self._tree = opened_checkpoint(last, self._keys).tree
        except Corrupt as error:
            raise Corrupt(
                f"The checkpoint of {last.size} events is not to be gone on from: {error.message}."
            ) from error
        self._unsigned = []
        self.size, self.made_at = last.size, last.made_at

    async def _go_on(self, tenure: Tenure) -> None:
        loop = asyncio.get_running_loop()
        since = 0.0
        while not tenure.lost:
            heed_cancellation()
            limit = min(PAGE_EVENTS_MAX, EVENTS_MAX - len(self._unsigned))
            page = await self._store.read(after=self._tree.size, limit=limit)
            if page and not self._unsigned:
                since = loop.time()
            for number, stored in enumerate(page, start=1):
                if stored.position != self._tree.size + 1:
                    raise Corrupt(f"The log has no position {self._tree.size + 1}.")
                leaf = leaf_of(stored)
                self._tree.append(leaf)
                self._unsigned.append(leaf)
                if number % HASHED_AT_ONCE_MAX == 0:
                    await asyncio.sleep(0)
            has_waited = loop.time() - since >= self._unsigned_seconds_max
            if self._unsigned and (has_waited or len(self._unsigned) == EVENTS_MAX):
                await self._sign()
            if len(page) < limit:
                await asyncio.sleep(self._poll_seconds)

    async def _sign(self) -> None:
        """Keep a checkpoint of the tree as it is; `Corrupt` if one of its size says something else."""
        size, root = self._tree.size, self._tree.root()
        note = self._signer.sign(size, root)
        leaves, peaks = b"".join(self._unsigned), b"".join(self._tree.peaks)
        if not await self._checkpoints.add(size, root, leaves, peaks, note):
            [standing] = await self._checkpoints.read(after=size - 1, limit=1)
            if standing.size == size and standing.root != root:
                raise Corrupt(
                    f"There is a checkpoint of {size} events with another root: the log was changed, or "
                    "there are two. `aigestion audit verify` tells."
                )
        self._unsigned = []
        self.size, self.made_at = size, self._clock()
