"""For programs that use AIGestion from outside."""

from aigestion.client.subscriber import subscribe
from aigestion.messaging.credential import Credential

__all__ = ["Credential", "subscribe"]
