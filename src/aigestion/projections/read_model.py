"""The life of a read model: found or built, kept up to date, rebuilt, replaced without a pause."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from contextlib import suppress

from aigestion.eventstore.reader import LogReader
from aigestion.kernel.cancellation import heed_cancellation
from aigestion.kernel.errors import LogEpochMismatch, NotFound, Refused
from aigestion.messaging.port import Leadership
from aigestion.messaging.subscription import Subscription
from aigestion.projections.progress import Progress
from aigestion.projections.projection import Projection
from aigestion.projections.quarantine import Quarantine
from aigestion.projections.rebuild import OnProgress, Rebuilt, rebuild
from aigestion.projections.redrive import Redriven, ask_and_wait, asked_for, outcome, redrive_some
from aigestion.projections.runner import Runner
from aigestion.projections.verify import Verdict, verify
from aigestion.projections.views import ViewRegistry
from aigestion.projections.writer import ViewWriter
from aigestion.readstores.parked import ParkedKey
from aigestion.readstores.port import ReadStore, View

REGISTER_POLL_SECONDS = 2.0
"""How soon a switch made by another process is noticed."""
FOLLOW_POLL_SECONDS = 0.1
RETRY_SECONDS = 2.0

_log = logging.getLogger(__name__)


class ReadModel:
    """One projection, its read store, and the views it has had."""

    def __init__(
        self,
        projection: Projection,
        store: ReadStore,
        registry: ViewRegistry,
        reader: LogReader,
        subscription: Subscription,
        progress: Progress,
        quarantine: Quarantine,
    ) -> None:
        self.projection = projection
        self._store = store
        self._registry = registry
        self._reader = reader
        self._subscription = subscription
        self._progress = progress
        self._quarantine = quarantine
        self._rebuilding = asyncio.Lock()
        self._switched = asyncio.Event()

    async def run(self) -> None:
        """Keep the serving view up to date, for ever; build the first one, or a lost one, first.

        Only one process may do this at a time: the others `follow`.
        """
        while True:
            heed_cancellation()
            try:
                self._switched.clear()
                view = await self._serving()
                if view is None and self._rebuilding.locked():
                    await self._switched.wait()
                elif view is None:
                    await self._build()
                else:
                    await self._keep(view)
            except Exception as error:
                _log.error("%s does not move: %s", self.projection.name, error, exc_info=error)
                self._progress.trouble(self.projection.name, error)
                await asyncio.sleep(RETRY_SECONDS)

    async def follow(self) -> None:
        """Know how far the serving view is while another process keeps it up to date, for ever."""
        while True:
            heed_cancellation()
            with suppress(Exception):
                if (view := await self._serving()) is not None:
                    position = await self._store.checkpoint(view) or 0
                    self._progress.advance(view, position, await self._quarantine.keys(view))
            await asyncio.sleep(FOLLOW_POLL_SECONDS)

    async def rebuild(self, on_progress: OnProgress = lambda position, head: None) -> Rebuilt:
        """Build a new view and let it serve; queries notice nothing. `Refused` if one is being built."""
        if self._rebuilding.locked():
            raise Refused(f"{self.projection.name} is being rebuilt already")
        return await self._build(on_progress)

    async def verify(self, on_progress: OnProgress = lambda position, head: None) -> Verdict:
        """Compare the serving view with the log. `NotFound` if none serves yet."""
        return await verify(
            self.projection,
            await self._served(),
            self._store,
            self._reader,
            self._quarantine,
            on_progress=on_progress,
        )

    async def parked(self) -> list[ParkedKey]:
        """The keys whose events the serving view lacks, in order. `NotFound` if none serves yet."""
        return list((await self._quarantine.keys(await self._served())).values())

    async def redrive(
        self, key: str | None = None, on_progress: OnProgress = lambda applied, asked: None
    ) -> Redriven:
        """Have the parked events of a key, or of all, applied by the process that keeps the view.

        `NotFound` if nothing of this key is parked, `Unavailable` if no process does it for a while.
        """
        view = await self._served()
        return await ask_and_wait(self._quarantine, view, key, on_progress=on_progress)

    async def redrive_at_rest(
        self, key: str | None = None, on_progress: OnProgress = lambda applied, asked: None
    ) -> Redriven:
        """The same, done here: for a process that knows that it is the only one."""
        view = await self._served()
        before = await asked_for(self._quarantine, view, key)
        writer = ViewWriter(self.projection, view, self._store, self._quarantine)
        more = await writer.open()
        while more:
            more = await redrive_some(writer, self._reader)
            done = outcome(view, before, writer.parked)
            on_progress(done.position, done.position + done.parked)
        return outcome(view, before, writer.parked)

    async def _served(self) -> View:
        view = await self._serving()
        if view is None:
            raise NotFound(f"the read model {self.projection.name} is not built yet")
        return view

    async def _serving(self) -> View | None:
        """The active view, if this program understands it and its store still has it."""
        view = await self._registry.active(self.projection.name)
        if view is None or view.version != self.projection.version:
            return None
        return view if await self._store.checkpoint(view) is not None else None

    async def _build(self, on_progress: OnProgress = lambda position, head: None) -> Rebuilt:
        def report(position: int, head: int) -> None:
            self._progress.building(self.projection.name, position)
            on_progress(position, head)

        async with self._rebuilding:
            try:
                return await rebuild(
                    self.projection,
                    self._store,
                    self._registry,
                    self._reader,
                    self._quarantine,
                    on_progress=report,
                )
            finally:
                self._switched.set()

    async def _keep(self, view: View) -> None:
        """Run the view until another one serves, or it is gone."""
        head = await self._head_beyond(view)
        runner = Runner(
            ViewWriter(self.projection, view, self._store, self._quarantine),
            self._subscription,
            self._reader,
            self._progress,
            announce_from=min(self._progress.position(view.projection), head),
        )
        running = asyncio.create_task(runner.run(), name=view.name)
        try:
            while not running.done() and await self._registry.active(view.projection) == view:
                switched = asyncio.create_task(self._switched.wait())
                await asyncio.wait(
                    (running, switched),
                    timeout=REGISTER_POLL_SECONDS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                switched.cancel()
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    async def _head_beyond(self, view: View) -> int:
        """The head of the log, if it is the log this view was made from."""
        checkpoint = await self._store.checkpoint(view) or 0
        head = await self._reader.head()
        if checkpoint > head:
            raise LogEpochMismatch(
                f"{view.name} reflects position {checkpoint}, the log ends at {head}: it was "
                f"restored; rebuild {view.projection}",
                position=checkpoint,
            )
        return head


async def keep_read_models(models: Sequence[ReadModel], leadership: Leadership) -> None:
    """Keep read models up to date as long as this process leads; follow them while it does not."""
    while True:
        heed_cancellation()
        following = _started([model.follow() for model in models])
        try:
            async with leadership.held() as tenure:
                await _ended(following)
                running = _started([model.run() for model in models])
                try:
                    await tenure.until_lost()
                finally:
                    await _ended(running)
        finally:
            await _ended(following)


def _started(lives: Sequence[Coroutine[None, None, None]]) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(life) for life in lives]


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
