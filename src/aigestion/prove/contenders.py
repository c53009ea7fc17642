"""Callers who change one thing at once, through every API process: only the append condition keeps them apart."""

import asyncio
import itertools
from collections.abc import Sequence

import httpx2

from aigestion.prove.load import ANSWER_SECONDS_MAX, Tenant

PAUSE_SECONDS = 0.5
TURNS_OF_AGENT = 40
"""After so many it is another agent's turn: an answer tells all versions there are."""


async def contend(tenant: Tenant, urls: Sequence[str], stop: asyncio.Event) -> None:
    """Define an agent again and again, everywhere in the same moment, until told to stop.

    Whatever becomes of each try: its versions in the log must be 1, 2, 3… It hears what nobody says.
    """
    headers = {"Authorization": f"Bearer {tenant.key}"}
    async with httpx2.AsyncClient(headers=headers, timeout=ANSWER_SECONDS_MAX) as http:
        for turn in itertools.count():
            if stop.is_set():
                return
            path = f"/v1/agents/contended-{turn // TURNS_OF_AGENT}"
            asked = [_define(http, url + path, f"{turn} by {n}") for n, url in enumerate(urls)]
            await asyncio.gather(*asked)
            await asyncio.sleep(PAUSE_SECONDS)


async def _define(http: httpx2.AsyncClient, url: str, description: str) -> None:
    body = {"description": description, "instructions": "Say nothing.", "hears": ["user.voice"]}
    try:
        await http.put(url, json=body)
    except httpx2.HTTPError:
        return
