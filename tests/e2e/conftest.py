"""One running program for the tests that only look at it."""

from collections.abc import Iterator

import pytest

from tests.support.program import Program


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with Program(tmp_path_factory.mktemp("program") / "data") as running:
        running.start()
        yield running
        running.stop()
