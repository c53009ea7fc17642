"""Some tests here take minutes: they are left to the night, aloud."""

import pytest

REASON = "NOT TESTED: takes minutes; `make prove` runs it every night (-m nightly)"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "nightly" in config.getoption("markexpr"):
        return
    for item in items:
        if item.get_closest_marker("nightly"):
            item.add_marker(pytest.mark.skip(reason=REASON))
