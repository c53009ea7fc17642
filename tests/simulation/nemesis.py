"""Whoever breaks things: faults of all kinds at moments of the seed, and at the end everything is healed."""

import asyncio
from collections.abc import Callable

from tests.simulation.world import Process, World

FAULTS_MAX = 8
LOAD_SECONDS = 8.0
STEPS_TO_LIVE_MAX = 400

Fault = Callable[[World], None]


async def break_things(world: World) -> None:
    """So many faults as the seed says, during the load."""
    chance = world.chance
    world.nats.lossy = chance.choice((0.0, 0.0, 0.5, 0.9))
    faults = FAULTS + 2 * (depose_agents,) if world.of("agents") else FAULTS
    for _ in range(chance.randint(1, FAULTS_MAX)):
        await asyncio.sleep(chance.random() * 2 * LOAD_SECONDS / FAULTS_MAX)
        fault = chance.choice(faults)
        world.happened(fault.__name__)
        world.loop.note(fault.__name__)
        fault(world)


def break_once_more(world: World) -> None:
    """When all is said: no later event comes to show what was lost."""
    fault = world.chance.choice((heal, forget_in_views, quick_amnesia, delete_stream))
    world.loop.note("at last", fault.__name__)
    fault(world)


def heal(world: World) -> None:
    """No more faults; whoever is dead or stopped comes back by itself."""
    for process in world.processes.values():
        process.life.dies_at = None
    world.database.heal()
    world.nats.heal()


def kill_somebody(world: World) -> None:
    """Wherever it is: after a number of steps of its own."""
    life = _somebody(world).life
    life.dies_at = life.steps + world.chance.randint(1, STEPS_TO_LIVE_MAX)


def kill_somebody_soon(world: World) -> None:
    life = _somebody(world).life
    life.dies_at = life.steps + world.chance.randint(1, 25)


def kill_projectors(world: World) -> None:
    """Both, each between any two steps of what it writes."""
    for process in world.of("project"):
        process.life.dies_at = process.life.steps + world.chance.randint(1, 120)


def kill_everybody(world: World) -> None:
    for process in world.processes.values():
        process.kill(world.chance.random() * 2)


def pause_somebody(world: World) -> None:
    _somebody(world).pause(world.chance.choice((0.5, 3.0, 20.0)))


def cut_somebody_off(world: World) -> None:
    """From the database: its locks are given away while it believes to hold them."""
    process = _somebody(world)
    world.database.cut_off(process.life, world.chance.choice((0.5, 5.0, 20.0)))


def depose_somebody(world: World) -> None:
    """Two believe that they lead."""
    for process in world.processes.values():
        world.database.depose(process.life)


def break_appends(world: World) -> None:
    """While they are at the server: nobody knows whether they are recorded."""
    world.database.breaking += world.chance.randint(1, 8)


def break_appends_silently(world: World) -> None:
    """And the connections that ask what became of them carry nothing for long."""
    world.database.breaking += 1
    world.database.silencing += world.chance.randint(1, 3)


def reset_connections(world: World) -> None:
    world.database.reset(_somebody(world).life)


def crash_database(world: World) -> None:
    world.database.crash()
    world.later(world.chance.choice((0.1, 1.0, 4.0)), _up, world.database)


def forget_in_views(world: World) -> None:
    """A read store loses what it was told last, as another server than the log's would: idle clients notice nothing."""
    for backend in list(world.database.backends.values()):
        if backend.transaction is not None:
            backend.interrupted = True
            world.database.end(backend)
    for view in world.database.views.values():
        world.database.counts["view commits lost"] += view.lose_some(world.database)


def restart_broker(world: World) -> None:
    world.nats.restart(forgets=0)
    world.later(world.chance.random() * 2, _up, world.nats)


def amnesia(world: World) -> None:
    """The broker comes back without some of what it had acknowledged."""
    world.nats.restart(forgets=world.chance.choice((1, 2, 5, 1000)))
    world.later(world.chance.random(), _up, world.nats)


def quick_amnesia(world: World) -> None:
    """A new leader of the stream, which has less: it is there at once."""
    world.nats.restart(forgets=world.chance.choice((1, 1, 2, 4)))
    world.nats.is_up = True


def delete_stream(world: World) -> None:
    world.nats.delete_stream()


def disconnect_from_broker(world: World) -> None:
    owner = _somebody(world).life
    for client in world.nats.clients:
        if client.owner is owner:
            client.disconnect(world.chance.random() * 2)


def drop_deliveries(world: World) -> None:
    """Consumers are too slow, and their clients throw away what comes."""
    world.nats.deaf_until = world.loop.time() + world.chance.random() * 4


def slow_broker(world: World) -> None:
    """What is sent now comes when its sender has long given up."""
    world.nats.slowness = world.chance.choice((100.0, 2000.0))
    world.later(world.chance.random() * 2, _fast, world.nats)


def slow_database(world: World) -> None:
    world.database.slowness = world.chance.choice((20.0, 300.0))
    world.later(world.chance.random() * 2, _fast, world.database)


def depose_agents(world: World) -> None:
    """What they are at work on may be taken up by another."""
    for process in world.of("agents"):
        world.database.depose(process.life)


FAULTS: tuple[Fault, ...] = (
    kill_somebody,
    kill_somebody,
    kill_somebody_soon,
    kill_somebody_soon,
    kill_projectors,
    kill_projectors,
    kill_projectors,
    kill_everybody,
    pause_somebody,
    pause_somebody,
    cut_somebody_off,
    cut_somebody_off,
    reset_connections,
    break_appends,
    break_appends,
    break_appends,
    break_appends_silently,
    depose_somebody,
    depose_somebody,
    crash_database,
    forget_in_views,
    forget_in_views,
    restart_broker,
    amnesia,
    quick_amnesia,
    delete_stream,
    disconnect_from_broker,
    drop_deliveries,
    drop_deliveries,
    slow_broker,
    slow_database,
)


def _somebody(world: World) -> Process:
    return world.chance.choice(list(world.processes.values()))


def _up(server: "object") -> None:
    server.is_up = True  # type: ignore[attr-defined]


def _fast(server: "object") -> None:
    server.slowness = 1.0  # type: ignore[attr-defined]
