"""Real Elasticsearch servers for tests: one of each version for all workers of a run, fresh names a test."""

import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest

from aigestion.embedded.elasticsearch_home import FETCH_SECONDS_MAX, VERSIONS
from aigestion.readstores.elasticsearch.client import opened_elasticsearch
from aigestion.readstores.elasticsearch.collections import MAPPINGS
from aigestion.readstores.elasticsearch.store import ElasticsearchReadStore

START_SECONDS_MAX = FETCH_SECONDS_MAX + 300
*OLDER, NEWEST = VERSIONS
NEWEST_AND_AT_NIGHT_OLDER = (
    NEWEST,
    *(pytest.param(version, marks=pytest.mark.nightly) for version in OLDER),
)
"""Versions of the server, as parameters of tests: each costs a minute to start and half as much to ask."""


@cache
def elasticsearch_url(version: str) -> str:
    """The URL of the run's server of this version, started when it is first asked for.

    Skips the test if the server cannot be had on this machine; fails it if this is the CI.
    """
    told = _told(version)
    if reason := told.get("cannot be had"):
        sentence = f"Elasticsearch {version} cannot be had here, nothing is known of it: {reason}"
        if os.environ.get("CI"):
            pytest.fail(sentence)
        pytest.skip(sentence)
    assert "url" in told, told
    return str(told["url"])


@asynccontextmanager
async def elasticsearch_store(
    version: str, mappings: Path = MAPPINGS
) -> AsyncIterator[ElasticsearchReadStore]:
    """A store on a server of this version, under a name of its own; nothing of it is left."""
    url = elasticsearch_url(version)
    namespace = f"t{uuid4().hex[:20]}"
    async with opened_elasticsearch(url) as client:
        yield ElasticsearchReadStore(client, namespace, mappings=mappings)
        found = await client.indices.get(index=f"{namespace}-*", allow_no_indices=True)
        if found.body:
            await client.indices.delete(index=list(found.body))
        await client.options(ignore_status=404).indices.delete_index_template(name=namespace)


def _told(version: str) -> dict[str, str]:
    """What the keeper of this run's server says; the first who asks starts it."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    controller = os.getppid() if run else os.getpid()
    folder = Path(tempfile.gettempdir()) / f"aig-es-{run or controller}-{version}"
    folder.mkdir(mode=0o700, exist_ok=True)
    told = folder / "told.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            _start_keeper(folder, version, controller)
        return dict(json.loads(told.read_text()))


def _start_keeper(folder: Path, version: str, controller: int) -> None:
    with (folder / "keeper.log").open("w") as log:
        command = [sys.executable, "-m", "tests.support.elasticsearch_keeper"]
        keeper = subprocess.Popen(
            [*command, str(folder), version, str(controller)],
            start_new_session=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    deadline = time.monotonic() + START_SECONDS_MAX
    while not (folder / "told.json").exists():
        assert keeper.poll() is None, (folder / "keeper.log").read_text()
        assert time.monotonic() < deadline, "the keeper of Elasticsearch says nothing"
        time.sleep(0.1)
