"""Keeping all read models of a process: leading some, following the others, asking once for all."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence

from aigestion.kernel.cancellation import heed_cancellation
from aigestion.messaging.port import Leaderships
from aigestion.projections.read_model import ReadModel
from aigestion.projections.views import ViewRegistry

REGISTER_POLL_SECONDS = 0.5
"""How soon a switch made by another process is noticed."""

_log = logging.getLogger(__name__)


async def keep_read_models(
    models: Sequence[ReadModel], leaderships: Leaderships, registry: ViewRegistry
) -> None:
    """Keep each read model up to date as long as this process leads it; follow it while it does not."""
    await _together(
        watch(models, registry), *(_keep_or_follow(model, leaderships) for model in models)
    )


async def follow_read_models(models: Sequence[ReadModel], registry: ViewRegistry) -> None:
    """Know how far read models are that other processes keep, for ever."""
    await _together(watch(models, registry), *(model.follow() for model in models))


async def watch(models: Sequence[ReadModel], registry: ViewRegistry) -> None:
    """Tell every read model what the register says, for ever."""
    while True:
        heed_cancellation()
        try:
            views = await registry.all()
            for model in models:
                model.registered(views)
            looks = [model.look_at_building() for model in models]
            await asyncio.gather(*looks, return_exceptions=True)
        except Exception as error:
            _log.debug("the register of views does not answer: %s", error)
        await asyncio.sleep(REGISTER_POLL_SECONDS)


async def _keep_or_follow(model: ReadModel, leaderships: Leaderships) -> None:
    while True:
        heed_cancellation()
        following = asyncio.create_task(model.follow())
        try:
            async with leaderships.of(model.seat).held() as tenure:
                await _ended(following)
                running = asyncio.create_task(model.run())
                try:
                    await tenure.until_lost()
                finally:
                    await _ended(running)
        finally:
            await _ended(following)


async def _together(*lives: Coroutine[None, None, None]) -> None:
    """Until told to stop, or one of them fails."""
    tasks = [asyncio.create_task(life) for life in lives]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        await _ended(*tasks)


async def _ended(*tasks: asyncio.Task[None]) -> None:
    """Each is told once: a call into an engine is waited for, unless its task is told again.

    That is why nothing here gathers: whoever is cancelled while it gathers tells them all.
    """
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.debug("%s ended with %s", task.get_name(), error)
