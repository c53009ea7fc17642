"""Ports: kept if free, changed if taken, refused in one sentence."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from aigestion.embedded.ports import KEPT_PORTS, check_free, free_port, on_kept_port
from aigestion.kernel.errors import Misconfigured, Unavailable


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_the_preferred_port_is_taken_if_it_is_free() -> None:
    port = free_port()

    assert free_port(port) == port


def test_a_new_port_is_none_that_the_system_hands_out() -> None:
    assert {free_port() in KEPT_PORTS for _ in range(50)} == {True}


def test_another_port_is_found_if_the_preferred_one_is_busy(taken: int) -> None:
    assert free_port(taken) not in (0, taken)


def test_a_busy_port_is_refused_by_name(taken: int) -> None:
    with pytest.raises(Misconfigured, match=f"Port {taken} of 127.0.0.1 .*another program"):
        check_free("127.0.0.1", taken)

    check_free("127.0.0.1", 0)


def test_an_address_that_is_not_ours_is_refused_with_the_reason() -> None:
    with pytest.raises(Misconfigured, match="Cannot assign requested address"):
        check_free("192.0.2.1", 8080)


async def test_a_server_gets_the_same_port_again(tmp_path: Path) -> None:
    started: list[int] = []

    async def start(port: int) -> None:
        started.append(port)

    first = await on_kept_port(tmp_path / "port", start)
    second = await on_kept_port(tmp_path / "port", start)

    assert started == [first, second]
    assert first == second


@pytest.mark.parametrize("text", ["", "nonsense", "0", "-1", "70000"])
async def test_a_damaged_memory_is_no_port(tmp_path: Path, text: str) -> None:
    (tmp_path / "port").write_text(text)

    async def start(port: int) -> None:
        assert 0 < port < 65536

    port = await on_kept_port(tmp_path / "port", start)

    assert int((tmp_path / "port").read_text()) == port


async def test_a_server_whose_port_was_snatched_gets_another(tmp_path: Path) -> None:
    snatched = socket.socket()
    tried: list[int] = []

    async def start(port: int) -> None:
        tried.append(port)
        if len(tried) == 1:
            snatched.bind(("127.0.0.1", port))
            snatched.listen()
            raise Unavailable("address in use")

    port = await on_kept_port(tmp_path / "port", start)
    snatched.close()

    assert tried[-1] == port
    assert len(set(tried)) == 2
    assert (tmp_path / "port").read_text() == f"{port}\n"


async def test_a_server_that_fails_on_a_free_port_is_not_tried_again(tmp_path: Path) -> None:
    tried: list[int] = []

    async def start(port: int) -> None:
        tried.append(port)
        raise Unavailable("no disk")

    with pytest.raises(Unavailable, match="no disk"):
        await on_kept_port(tmp_path / "port", start)

    assert len(tried) == 1
    assert not (tmp_path / "port").exists()
