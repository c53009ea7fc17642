"""The house the agents' unit tests run in."""

from tests.unit.agents.conftest import build

__all__ = ["build"]
