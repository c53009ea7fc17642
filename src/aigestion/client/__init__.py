"""For programs that use AIGestion from outside."""

from aigestion.client.subscriber import subscribe

__all__ = ["subscribe"]
