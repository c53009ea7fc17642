"""A given/when/then kit for use cases: no log, no clock, no mocks.

    given(ConversationStarted(...)).when(PostInteraction(...)).then(UserChat(...))

Given events that lie outside the command's consistency boundary are not folded, just as they would
not be read from a log: a boundary drawn too narrowly turns a test red.
"""

from collections.abc import Iterable
from typing import Any

from aigestion.commands.catalog import USE_CASES
from aigestion.events.event import Event, tags_of
from aigestion.kernel.decider import UseCase
from aigestion.kernel.errors import AIGestionError
from aigestion.kernel.query import Query


class Decision:
    """What a command led to; each expectation raises `AssertionError` if it does not hold."""

    def __init__(self, events: list[Event] | None, error: AIGestionError | None) -> None:
        self.events = events
        self.error = error

    def then(self, *expected: Event) -> None:
        """Exactly these events, in this order."""
        if self.error is not None:
            raise AssertionError(f"refused: {self.error!r}; expected {expected}")
        if self.events != list(expected):
            raise AssertionError(f"decided {self.events}; expected {list(expected)}")

    def then_nothing(self) -> None:
        """No news: the command was fine, and changed nothing."""
        self.then()

    def then_refused(self, error: type[AIGestionError]) -> None:
        """An error of this type, and no events."""
        if self.error is None:
            raise AssertionError(f"decided {self.events}; expected {error.__name__}")
        if not isinstance(self.error, error):
            raise AssertionError(f"refused with {self.error!r}; expected {error.__name__}")


class Given:
    """What has happened before."""

    def __init__(self, history: Iterable[Event], use_cases: Iterable[UseCase[Any, Any]]) -> None:
        self._history = tuple(history)
        self._use_cases = {use_case.command: use_case for use_case in use_cases}

    def when(self, command: Any) -> Decision:
        """Decide on the command, as the dispatcher would."""
        use_case = self._use_cases[type(command)]
        boundary = use_case.reads(command)
        state = use_case.initial
        for event in self._history:
            if _matches(boundary, event):
                state = use_case.evolve(state, event)
        try:
            return Decision(list(use_case.decide(command, state)), None)
        except AIGestionError as error:
            return Decision(None, error)


def given(*history: Event, use_cases: Iterable[UseCase[Any, Any]] = USE_CASES) -> Given:
    """Start a scenario with these events; `use_cases` may be your own."""
    return Given(history, use_cases)


def _matches(query: Query, event: Event) -> bool:
    tags = set(tags_of(event))
    return not query.items or any(
        (not item.types or event.stored_as in item.types) and tags.issuperset(item.tags)
        for item in query.items
    )
