"""One run: a system in a temporary folder, load, faults, rest, and the check."""

import asyncio
import random
import shutil
import signal
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import asyncpg
import httpx2

from aigestion.kernel.errors import Misconfigured
from aigestion.prove.checker import Violation, violations
from aigestion.prove.evidence import gathered
from aigestion.prove.faults import Planned, planned
from aigestion.prove.history import Fault, History
from aigestion.prove.injector import Injector
from aigestion.prove.load import Client, Tenant
from aigestion.prove.report import Report, reported
from aigestion.prove.system import KEPT, System, running_system
from aigestion.prove.usage import Usage

FREE_BYTES_MIN = 1024 * 1024 * 1024
MEMORY_BYTES_MIN = 3 * 1024 * 1024 * 1024
CLIENTS_OF_TENANT = 3
WARM_SECONDS = 1.0
REST_SECONDS_MAX = 120.0
REST_POLL_SECONDS = 0.5

Say = Callable[[str], None]
Behind = Callable[[System], Awaitable[None]]
"""Something done to the system behind its back, before the check: how tests see that the check can fail."""


async def prove(
    *,
    faults: int,
    seed: int,
    minutes: float | None,
    kinds: Sequence[str],
    keep: bool,
    say: Say = lambda _: None,
    before_check: Behind | None = None,
) -> Report:
    """Run it. `Misconfigured` if this machine cannot; everything that was started is ended in any case.

    A history with a violation is kept in the current folder, and with `keep` all that the run wrote.
    """
    _refuse_small_machine()
    with ExitStack() as stack:
        stack.enter_context(_ended_by_sigterm())
        folder = stack.enter_context(_folder(keep))
        _refuse_full_disk(folder)
        history = History(folder / "history.jsonl")
        stack.callback(history.close)
        say("starting the system")
        async with running_system(folder) as system:
            rng = random.Random(seed)  # noqa: S311
            tenants = await _tenants(system, rng)
            usage = Usage()
            watching = asyncio.create_task(usage.watch(system))
            try:
                await _faults_under_load(
                    system, tenants, history, rng, faults, seed, minutes, kinds, say
                )
                say("waiting until everything is at rest")
                restless = await _rest(system, history)
            finally:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching
            if before_check is not None:
                await before_check(system)
            say("reading and checking")
            evidence = await gathered(
                system, tenants, history, usage.rss_bytes_max, usage.descriptors_max
            )
        found = [*restless, *violations(history, evidence)]
        for violation in found:
            history.write("violation", violation)
        kept = folder if keep else _kept(history, seed) if found else None
        return reported(seed, history, evidence, found, kept)


async def _tenants(system: System, rng: random.Random) -> list[Tenant]:
    names = ("acme", "globex")
    canaries = [f"{rng.getrandbits(48):012x}" for _ in names]
    made = [system.tenant(name, canary) for name, canary in zip(names, canaries, strict=True)]
    return list(await asyncio.gather(*made))


async def _faults_under_load(
    system: System,
    tenants: Sequence[Tenant],
    history: History,
    rng: random.Random,
    faults: int,
    seed: int,
    minutes: float | None,
    kinds: Sequence[str],
    say: Say,
) -> None:
    stop = asyncio.Event()
    await _known(system, tenants)
    clients: list[Client] = []
    for tenant in tenants:
        others = [one for one in tenants if one is not tenant]
        for _ in range(CLIENTS_OF_TENANT):
            number = len(clients)
            name = f"{seed}/{number}"
            clients.append(Client(number, name, tenant, others, system.api_urls, history))
    running = [asyncio.create_task(client.run(stop)) for client in clients]
    try:
        await asyncio.sleep(WARM_SECONDS)
        await _inject(system, history, planned(seed, faults, kinds), minutes, running, say)
    finally:
        stop.set()
        done = await asyncio.gather(*running, return_exceptions=True)
    for one in done:
        if isinstance(one, BaseException):
            raise one


async def _inject(
    system: System,
    history: History,
    plan: Sequence[Planned],
    minutes: float | None,
    clients: Sequence[asyncio.Task[None]],
    say: Say,
) -> None:
    injector = Injector(system, history)
    fault: Fault | None = None
    end = None if minutes is None else history.now() + minutes * 60
    for number, one in enumerate(plan, start=1):
        if end is not None and history.now() > end:
            say(f"time is up after {number - 1} of {len(plan)} faults")
            return
        if any(client.done() for client in clients):
            return
        await asyncio.sleep(one.gap_seconds)
        fault = await injector.inject(one)
        say(f"{number}/{len(plan)} {fault.kind} {' '.join(fault.victims)}")
        if not one.overlaps:
            await injector.calm(fault)
    if fault is not None:
        await injector.calm(fault)


async def _known(system: System, tenants: Sequence[Tenant]) -> None:
    """Wait until every API process lets every tenant in: its directory has the key by then."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        for tenant in tenants:
            headers = {"Authorization": f"Bearer {tenant.key}"}
            for url in system.api_urls:
                async with asyncio.timeout(REST_SECONDS_MAX):
                    while (await http.get(f"{url}/v1/conversations", headers=headers)).is_error:
                        await asyncio.sleep(REST_POLL_SECONDS)


async def _rest(system: System, history: History) -> list[Violation]:
    """Wait until nothing moves any more; what still does after a long while is a violation."""
    until = history.now() + REST_SECONDS_MAX
    before, moving = -1, "nothing was looked at"
    while history.now() < until:
        head, moving = await _moving(system)
        if head == before and not moving:
            return []
        before = head
        await asyncio.sleep(REST_POLL_SECONDS)
    return [Violation("restless", f"after {REST_SECONDS_MAX:g} s without faults: {moving}")]


async def _moving(system: System) -> tuple[int, str]:
    """(head of the log, what has not caught up with it)."""
    for node in system.nodes.values():
        if (await node.get("/health/ready"))[0] != 200:
            return -1, f"{node.name} is not ready: {node.said()}"
    try:
        owner = await asyncpg.connect(system.postgres.owner_url, timeout=3)
        try:
            found = await owner.fetchrow(_WAITING)
        finally:
            await owner.close()
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        return -1, f"the log does not answer: {error}"
    assert found is not None
    head, waiting = int(found["head"]), int(found["waiting"])
    if (last := await system.last_sequence()) != head:
        return head, f"the broker is at {last}, the log at {head}"
    if waiting:
        return head, f"{waiting} questions wait for the end of their run"
    _, metrics = await system.nodes["project-1"].get("/metrics")
    for name in KEPT:
        if f'\nprojection_position{{projection="{name}"}} {float(head)}' not in metrics:
            return head, f"the read model {name} is not at {head}"
    return head, ""


_WAITING = """
SELECT
    (SELECT position FROM log.head) AS head,
    count(*) FILTER (WHERE type = 'user.chat')
        - count(*) FILTER (WHERE type IN ('agent.replied', 'run.failed', 'run.cancelled')) AS waiting
FROM log.events
"""


@contextmanager
def _folder(keep: bool) -> Iterator[Path]:
    """A temporary folder, gone in the end unless it is kept."""
    folder = Path(tempfile.mkdtemp(prefix="aigestion-prove-"))
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM cancels the run, so that it cleans up; Ctrl-C does so anyway."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _kept(history: History, seed: int) -> Path:
    """A copy of the history in the current folder, under a name that is free."""
    for n in range(1000):
        path = Path(f"aigestion-prove-{seed}{f'-{n}' if n else ''}.jsonl")
        with suppress(FileExistsError), path.open("xb") as copy:
            copy.write(history.path.read_bytes())
            break
    return path.absolute()


def _refuse_full_disk(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES_MIN:
        raise Misconfigured(
            f"{folder.parent} has {free >> 20} MiB left and {FREE_BYTES_MIN >> 20} MiB are needed: make "
            "room, or choose another folder with TMPDIR."
        )


def _refuse_small_machine() -> None:
    """Where the system tells how much memory is left."""
    with suppress(OSError, ValueError, IndexError):
        told = Path("/proc/meminfo").read_text().partition("MemAvailable:")[2]
        available = int(told.split()[0]) * 1024
        if available < MEMORY_BYTES_MIN:
            raise Misconfigured(
                f"This machine has {available >> 20} MiB of memory left, and {MEMORY_BYTES_MIN >> 20} MiB are "
                "needed: the run is nine processes."
            )
