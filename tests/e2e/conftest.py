"""One running program for the tests that only look at it."""

from collections.abc import Iterator

import pytest

from tests.support.program import Program


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with Program(tmp_path_factory.mktemp("spine") / "data") as running:
        running.start(documents=None)
        yield running
        running.stop()
