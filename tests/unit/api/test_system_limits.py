"""What the operating system is asked for before many connections come."""

import logging
import resource

import pytest

from aigestion.api.system_limits import allow_descriptors

Limits = tuple[int, int]


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[Limits]:
    """The limits in force, and all that were set."""
    known: list[Limits] = [(1_024, 4_096)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: known[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, given: known.append(given))
    return known


def test_as_many_files_may_be_open_as_connections_need(limits: list[Limits]) -> None:
    allow_descriptors(3_000)
    allow_descriptors(2_000)  # never fewer than there are

    assert limits == [(1_024, 4_096), (3_000, 4_096)]


def test_where_more_is_not_allowed_it_takes_all_there_is_and_says_so(
    limits: list[Limits], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        allow_descriptors(5_000)

    assert limits[-1] == (4_096, 4_096)
    assert "4096" in caplog.text
    assert "5000" in caplog.text


def test_without_a_limit_there_is_nothing_to_do(limits: list[Limits]) -> None:
    limits[:] = [(resource.RLIM_INFINITY, resource.RLIM_INFINITY)]

    allow_descriptors(5_000)

    assert limits == [(resource.RLIM_INFINITY, resource.RLIM_INFINITY)]
