"""One run: a system in a temporary folder, load, faults, rest, and the check."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from itertools import product
from types import MappingProxyType

import asyncpg
import httpx2

from aigestion.postgres import FAILED
from aigestion.prove.checker import Violation, violations
from aigestion.prove.contenders import contend
from aigestion.prove.evidence import gathered
from aigestion.prove.faults import LASTING, LASTING_AT_ONCE_MAX, Planned, planned
from aigestion.prove.forked import FORK_SERVER
from aigestion.prove.history import Fault, History
from aigestion.prove.injector import Injector
from aigestion.prove.load import Client, Tenant
from aigestion.prove.loudness import deadline, judged, silences
from aigestion.prove.machine import refuse_full_disk, refuse_small_machine
from aigestion.prove.report import Report, reported
from aigestion.prove.scrape import Scraper
from aigestion.prove.starting import running_system
from aigestion.prove.system import KEPT, System
from aigestion.prove.traces import ended_by_sigterm, kept_history, temporary_folder
from aigestion.prove.usage import Usage

CLIENTS_OF_TENANT = 3
LAST_CLIENT = 99
WARM_SECONDS = 1.0
REST_SECONDS_MAX = 120.0
REST_POLL_SECONDS = 0.5
FRESH_SECONDS_MAX = 15.0

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
    left_out: Mapping[str, str] = MappingProxyType({}),
    program: Sequence[str] = FORK_SERVER,
    before_check: Behind | None = None,
) -> Report:
    """Run it. `Misconfigured` if this machine cannot; everything that was started is ended in any case.

    `left_out` says why kinds are not among `kinds`; `program` is what every process is forked from.
    A history with a violation is kept in the current folder, and with `keep` all that the run wrote.
    """
    refuse_small_machine()
    with ExitStack() as stack:
        stack.enter_context(ended_by_sigterm())
        folder = stack.enter_context(temporary_folder(keep))
        refuse_full_disk(folder)
        history = History(folder / "history.jsonl")
        stack.callback(history.close)
        say("starting the system")
        async with running_system(folder, kinds, program) as system:
            rng = random.Random(seed)  # noqa: S311
            tenants = await _tenants(system, rng)
            usage, scraper = Usage(), Scraper(history.now)
            async with _beside(usage.watch(system), scraper.watch(list(system.nodes.values()))):
                stopped = await _not_let_in(system, tenants)
                if not stopped:
                    await _faults_under_load(
                        system, tenants, history, rng, faults, seed, minutes, kinds, say
                    )
                    say("waiting until everything is at rest")
                    stopped = await _rest(system, history)
                if not stopped:
                    stopped = await _fresh_without_broker(system, tenants, history)
                if not stopped:
                    stopped = await _holes_found_and_mended(system, history)
                await _listened(history, scraper)
            if before_check is not None:
                await before_check(system)
            say("reading and checking")
            evidence = await gathered(
                system, tenants, history, usage.rss_bytes_max, usage.descriptors_max
            )
            ended = [
                Violation("ended", told)
                for node in system.nodes.values()
                for told in node.ended_by_itself
            ]
        verdicts = judged(history.faults, scraper.series)
        found = [*stopped, *ended, *violations(history, evidence), *silences(verdicts)]
        for violation in found:
            history.write("violation", violation)
        kept = folder if keep else kept_history(history, seed) if found else None
        return reported(seed, history, evidence, verdicts, found, kept, left_out)


async def _listened(history: History, scraper: Scraper) -> None:
    """Wait until every fault is told, or its time is over."""
    for fault in history.faults:
        while history.now() < deadline(fault) and any(
            one.outcome == "silent" for one in judged([fault], scraper.series)
        ):
            await asyncio.sleep(REST_POLL_SECONDS)


@asynccontextmanager
async def _beside(*works: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """These go on inside the block; one that fails is an error at its end."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def _tenants(system: System, rng: random.Random) -> list[Tenant]:
    names = ("acme", "globex")
    return [await system.tenant(name, f"{rng.getrandbits(48):012x}") for name in names]


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
    clients: list[Client] = []
    for tenant in tenants:
        others = [one for one in tenants if one is not tenant]
        for _ in range(CLIENTS_OF_TENANT):
            number = len(clients)
            name = f"{seed}/{number}"
            clients.append(Client(number, name, tenant, others, system.api_urls, history))
    running = [asyncio.create_task(client.run(stop)) for client in clients]
    running.append(asyncio.create_task(contend(tenants[0], system.api_urls, stop)))
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
    end = None if minutes is None else history.now() + minutes * 60
    room = asyncio.Semaphore(LASTING_AT_ONCE_MAX)

    async def inject(number: int, one: Planned) -> Fault:
        fault = await injector.inject(one)
        say(f"{number}/{len(plan)} {fault.kind} {' '.join(fault.victims)}")
        return fault

    lasting: list[asyncio.Task[Fault]] = []
    try:
        for number, one in enumerate(plan, start=1):
            if end is not None and history.now() > end:
                say(f"time is up after {number - 1} of {len(plan)} faults")
                break
            if any(client.done() for client in clients):
                break
            await asyncio.sleep(one.gap_seconds)
            if one.kind in LASTING:
                await room.acquire()
                lasting.append(asyncio.create_task(inject(number, one)))
                lasting[-1].add_done_callback(lambda _: room.release())
                continue
            fault = await inject(number, one)
            if not one.overlaps:
                await injector.calm(fault)
        await asyncio.gather(*lasting)
    finally:
        for task in lasting:
            task.cancel()
    if history.faults:
        await injector.calm(history.faults[-1])


async def _not_let_in(system: System, tenants: Sequence[Tenant]) -> list[Violation]:
    """Wait until every API process lets every tenant in: its directory has the key by then."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        for node, tenant in product(system.of_role("api"), tenants):
            url, headers = f"{node.url}/v1/conversations", {"Authorization": f"Bearer {tenant.key}"}
            try:
                async with asyncio.timeout(REST_SECONDS_MAX):
                    while (await http.get(url, headers=headers)).is_error:
                        await asyncio.sleep(REST_POLL_SECONDS)
            except TimeoutError:
                told = f"{node.name} did not let {tenant.name} in for {REST_SECONDS_MAX:g} s"
                return [Violation("unserved", told)]
    return []


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


async def _fresh_without_broker(
    system: System, tenants: Sequence[Tenant], history: History
) -> list[Violation]:
    """The very last event, with no other behind it, is seen although its reader is cut off from the broker."""
    wire = system.wires["project-1→nats"]
    last = Client(LAST_CLIENT, "last", tenants[0], (), system.api_urls, history)
    wire.requests.clear()
    wire.replies.clear()
    try:
        await last.say_one_thing()
        until = history.now() + FRESH_SECONDS_MAX
        while behind := await _behind(system, history.operations[-1].position or 0):
            if history.now() > until:
                told = f"cut off from the broker, {behind} after {FRESH_SECONDS_MAX:g} s"
                return [Violation("stale", told)]
            await asyncio.sleep(REST_POLL_SECONDS)
    finally:
        wire.mend()
    return await _rest(system, history)


async def _holes_found_and_mended(system: System, history: History) -> list[Violation]:
    """Holes in the middle of the stream stay: the audit must name the first, and a new stream has none."""
    missing = await system.broker.missing()
    if not missing:
        return []
    code, out, err = await system.command("audit", "verify", "--json")
    if code == 0 or str(missing[0]) not in out:
        told = f"the broker lacks {missing[0]}, and `aigestion audit verify` says: {(out + err)[-600:]}"
        return [Violation("unseen", told, missing[0])]
    await system.broker.empty()
    return await _rest(system, history)


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
    except FAILED as error:
        return -1, f"the log does not answer: {error}"
    assert found is not None
    head, waiting = int(found["head"]), int(found["waiting"])
    if (last := await system.broker.last_sequence()) != head:
        return head, f"the broker is at {last}, the log at {head}"
    if waiting:
        return head, f"{waiting} questions wait for the end of their run"
    return head, await _behind(system, head)


async def _behind(system: System, head: int) -> str:
    """Which read model is not at the head; empty if all are."""
    _, metrics = await system.nodes["project-1"].get("/metrics")
    for name in KEPT:
        if f'\nprojection_position{{projection="{name}"}} {float(head)}' not in metrics:
            return f"the read model {name} is not at {head}"
    return ""


_WAITING = """
SELECT
    (SELECT position FROM log.head) AS head,
    count(*) FILTER (WHERE type = 'user.chat')
        - count(*) FILTER (WHERE type IN ('agent.replied', 'run.failed', 'run.cancelled')) AS waiting
FROM log.events
"""
