"""Work on a run that goes on until it is done, or until somebody asks to stop the run."""

import asyncio
import logging
from collections.abc import Coroutine
from uuid import UUID

from aigestion.events.run import RunCancelRequested
from aigestion.eventstore.reader import LogReader
from aigestion.kernel.errors import AIGestionError
from aigestion.kernel.query import matching

CANCEL_POLL_SECONDS = 0.25
"""How often the log is asked: whichever process the request came to, it is there."""

_log = logging.getLogger(__name__)


async def done_unless_cancelled(
    work: Coroutine[None, None, None], reader: LogReader, tenant: str, run_id: UUID
) -> bool:
    """Whether the work came to its end; it is cut when the log has a request to stop the run."""
    working = asyncio.create_task(work, name=f"run {run_id}")
    asked = asyncio.create_task(_asked_to_stop(reader, tenant, run_id))
    try:
        await asyncio.wait((working, asked), return_when=asyncio.FIRST_COMPLETED)
    finally:
        working.cancel()
        asked.cancel()
        await asyncio.gather(working, asked, return_exceptions=True)
    if working.cancelled():
        return False
    working.result()
    return True


async def _asked_to_stop(reader: LogReader, tenant: str, run_id: UUID) -> None:
    query = matching(f"run:{run_id}", types=(RunCancelRequested.stored_as,)).scoped(tenant)
    while True:
        await asyncio.sleep(CANCEL_POLL_SECONDS)
        try:
            if await reader.read(query, limit=1):
                return
        except AIGestionError as error:
            _log.info("run %s: nobody knows whether to stop it: %s", run_id, error)
