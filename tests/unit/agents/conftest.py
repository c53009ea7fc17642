"""Fixtures of the agents' tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from aigestion.agents.definition import Limits
from aigestion.llm.port import ChatModel
from tests.unit.agents.house import LIMITS, House

Build = Callable[..., House]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Makes a house around a model."""

    def build(model: ChatModel, limits: Limits = LIMITS) -> House:
        return House(tmp_path, model, limits)

    return build
