"""The calls that agents of this process made to models, counted."""

from collections import Counter

from aigestion.agents.call import CallResult
from aigestion.kernel.timings import Timings
from aigestion.llm.port import ChatModel, Failed

BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds, in seconds."""


class ModelCalls:
    """For metrics."""

    def __init__(self) -> None:
        self.seconds: dict[str, Timings] = {}
        """By model, as `<provider>/<model>`."""
        self.failures: Counter[tuple[str, str]] = Counter()
        """By model and the reason that is recorded."""

    def note(self, model: ChatModel, result: CallResult) -> None:
        """One call has ended."""
        name = f"{model.provider}/{model.model}"
        self.seconds.setdefault(name, Timings(BUCKETS)).note(result.duration_seconds)
        if isinstance(result.end, Failed):
            self.failures[name, result.end.reason] += 1
