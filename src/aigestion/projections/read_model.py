"""The life of a read model: found or built, kept up to date, rebuilt, replaced without a pause."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from aigestion.eventstore.reader import LogReader
from aigestion.kernel.cancellation import heed_cancellation
from aigestion.kernel.errors import LogEpochMismatch, NotFound, Refused
from aigestion.messaging.locks import Locks
from aigestion.messaging.subscription import Subscription
from aigestion.projections.pace import ALONE, Pace
from aigestion.projections.progress import Progress
from aigestion.projections.projection import Projection
from aigestion.projections.quarantine import Quarantine
from aigestion.projections.rebuild import Rebuilt, RolledBack, rebuild, roll_back
from aigestion.projections.redrive import Redriven, ask_and_wait, redrive_here
from aigestion.projections.runner import Runner
from aigestion.projections.stages import OnProgress, Stage, nobody
from aigestion.projections.standing import Standing, standing_of
from aigestion.projections.verify import Verdict, verify
from aigestion.projections.views import ViewRegistry, ViewState
from aigestion.projections.writer import ViewWriter
from aigestion.readstores.parked import ParkedKey
from aigestion.readstores.port import ReadStore, View

AWAITED_POLL_SECONDS = 0.03
"""How often a view is looked at that another process keeps, while a query waits for it."""
QUIET_POLL_SECONDS = 1.0
"""And while none does."""
RETRY_SECONDS = 2.0

_log = logging.getLogger(__name__)


class ReadModel:
    """One projection, its read store, and the views it has had.

    What the register says comes from `registered`, which one question a process serves for all of
    its read models (`keeping`).
    """

    def __init__(
        self,
        projection: Projection,
        store: ReadStore,
        registry: ViewRegistry,
        reader: LogReader,
        subscription: Subscription,
        progress: Progress,
        quarantine: Quarantine,
        locks: Locks,
    ) -> None:
        self.projection = projection
        self.registry = registry
        self._store = store
        self._reader = reader
        self._subscription = subscription
        self._progress = progress
        self._quarantine = quarantine
        self._locks = locks
        self._standing: Standing | None = None
        self._is_building = False
        self._news = asyncio.Event()

    @property
    def seat(self) -> str:
        """Who leads by this name keeps the views of this version: programs of others keep theirs."""
        return f"read model {self.projection.name} v{self.projection.version}"

    async def run(self) -> None:
        """Keep the view that this program serves up to date, for ever; build it first if need be.

        Only one process of a version may do this at a time: the others `follow`. Where a newer
        version serves, or this one was rolled back, nothing is built.
        """
        while True:
            heed_cancellation()
            try:
                self._news.clear()
                standing = await self._ask()
                view = standing.serving
                if view is not None and await self._store.checkpoint(view) is not None:
                    await self._keep(view, standing)
                elif await self._is_wanted(standing):
                    await self._build_unless_somebody_does()
                else:
                    self._progress.stand_by(self.projection.name)
                    await self._news_within(RETRY_SECONDS)
            except Exception as error:
                _log.error("%s does not move: %s", self.projection.name, error, exc_info=error)
                self._progress.trouble(self.projection.name, error)
                await asyncio.sleep(RETRY_SECONDS)

    async def follow(self) -> None:
        """Know how far the serving view is while another process keeps it up to date, for ever."""
        name = self.projection.name
        while True:
            heed_cancellation()
            with suppress(Exception):
                await self.look()
            if self._progress.is_awaited(name):
                await asyncio.sleep(AWAITED_POLL_SECONDS)
            else:
                await self._progress.until_awaited(name, QUIET_POLL_SECONDS)

    async def look(self) -> None:
        """Know how far the serving view is now."""
        name = self.projection.name
        view = (self._standing or await self._ask()).serving
        if view is None or (position := await self._store.checkpoint(view)) is None:
            return
        before = self._progress.position(name)
        # A view that was just switched to may still be a little behind: what queries see never goes back,
        # unless the log itself did.
        if position >= before or await self._reader.head() < before:
            self._progress.advance(view, position, await self._quarantine.keys(view))

    async def look_at_building(self) -> None:
        """Know how far the view is that another process builds."""
        building = None if self._standing is None else self._standing.building
        if building is not None and not self._is_building:
            position = await self._store.checkpoint(building)
            self._progress.building(self.projection.name, position or 0, "filling")

    def registered(self, views: Sequence[tuple[View, ViewState]]) -> None:
        """The register has these views, of this projection and of others."""
        standing = standing_of(self.projection, views)
        self._progress.registered(self.projection.name, standing)
        if standing != self._standing:
            self._standing = standing
            self._news.set()

    async def rebuild(self, on_progress: OnProgress = nobody) -> Rebuilt:
        """Build a new view and let it serve; queries notice nothing.

        `Refused` if any process does so already, or a newer version serves.
        """
        async with self._alone() as alone:
            if not alone:
                raise Refused(f"{self.projection.name} is being rebuilt already")
            return await self._build(on_progress)

    async def roll_back(self, on_progress: OnProgress = nobody) -> RolledBack:
        """Let the former view serve again. `Refused` if there is none, or the wrong one."""
        async with self._alone() as alone:
            if not alone:
                raise Refused(f"{self.projection.name} is being rebuilt")
            try:
                return await roll_back(
                    self.projection,
                    self._store,
                    self.registry,
                    self._reader,
                    self._quarantine,
                    pace=self._pace(),
                    on_progress=on_progress,
                )
            finally:
                self._news.set()

    async def verify(self, on_progress: OnProgress = nobody) -> Verdict:
        """Compare the serving view with the log. `NotFound` if none serves yet."""
        return await verify(
            self.projection,
            await self._served(),
            self._store,
            self._reader,
            self._quarantine,
            pace=self._pace(),
            on_progress=on_progress,
        )

    async def parked(self) -> list[ParkedKey]:
        """The keys whose events the serving view lacks, in order. `NotFound` if none serves yet."""
        return list((await self._quarantine.keys(await self._served())).values())

    async def redrive(self, key: str | None = None, on_progress: OnProgress = nobody) -> Redriven:
        """Have the parked events of a key, or of all, applied by the process that keeps the view.

        `NotFound` if nothing of this key is parked, `Unavailable` if no process does it for a while.
        """
        view = await self._served()
        return await ask_and_wait(self._quarantine, view, key, on_progress=on_progress)

    async def redrive_at_rest(
        self, key: str | None = None, on_progress: OnProgress = nobody
    ) -> Redriven:
        """The same, done here: for a process that knows that it is the only one."""
        writer = ViewWriter(self.projection, await self._served(), self._store, self._quarantine)
        return await redrive_here(writer, self._reader, key, on_progress=on_progress)

    def _pace(self) -> Pace:
        return Pace(lambda: self._progress.asked_at)

    async def _served(self) -> View:
        view = (await self._ask()).serving
        if view is None or await self._store.checkpoint(view) is None:
            raise NotFound(f"the read model {self.projection.name} is not built yet")
        return view

    async def _ask(self) -> Standing:
        """What the register says now."""
        views = await self.registry.all()
        self._standing = standing_of(self.projection, views)
        self._progress.registered(self.projection.name, self._standing)
        return self._standing

    async def _is_wanted(self, standing: Standing) -> bool:
        """Whether a view of this version shall be built without being asked for."""
        name, version = self.projection.name, self.projection.version
        if standing.active is None or standing.active.version == version:
            return True
        return standing.newer is None and await self.registry.rolled_back(name) < version

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[bool]:
        """Whether no other process builds a view of this projection, until the block is left."""
        async with self._locks.hold(f"rebuild {self.projection.name}") as alone:
            yield alone

    async def _build_unless_somebody_does(self) -> None:
        async with self._alone() as alone:
            if alone:
                await self._build(nobody)
                return
        await self._news_within(RETRY_SECONDS)

    async def _build(self, on_progress: OnProgress) -> Rebuilt:
        def report(position: int, head: int, stage: Stage) -> None:
            self._progress.building(self.projection.name, position, stage)
            on_progress(position, head, stage)

        served = self._standing is not None and self._standing.serving is not None
        self._is_building = True
        self._progress.rebuilding(self.projection.name)
        try:
            return await rebuild(
                self.projection,
                self._store,
                self.registry,
                self._reader,
                self._quarantine,
                pace=self._pace() if served else ALONE,  # the sooner there is one, the better
                on_progress=report,
            )
        finally:
            self._is_building = False
            self._news.set()

    async def _keep(self, view: View, standing: Standing) -> None:
        """Run the view until another one serves, or it is gone."""
        if view == standing.active:
            await self._store.serve(view)  # whoever switched to it may have died before this
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
            while not running.done() and (await self._ask()).serving == view:
                news = asyncio.create_task(self._news.wait())
                await asyncio.wait((running, news), return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
                self._news.clear()
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

    async def _news_within(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
