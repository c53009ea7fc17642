"""Lag in seconds and events, and who does not move though the head does."""

from aigestion.observability.lag import SAMPLES_MAX, STALLED_SECONDS, HeadWatch


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_who_has_everything_is_not_behind_however_long_it_is_quiet() -> None:
    clock = Clock()
    watch = HeadWatch(7, clock=clock)
    watch.note("search", 7)
    clock.now += 1_000

    assert watch.lag_events(7) == 0
    assert watch.lag_seconds(7) == 0
    assert not watch.stalled("search")


def test_lag_is_how_long_the_first_missing_event_has_been_there() -> None:
    clock = Clock()
    watch = HeadWatch(5, clock=clock)
    for head in (6, 7, 8):
        clock.now += 10
        watch.move(head)
    clock.now += 1

    assert watch.lag_events(5) == 3
    assert watch.lag_seconds(5) == 21
    assert watch.lag_seconds(6) == 11
    assert watch.lag_seconds(8) == 0


def test_a_head_that_never_rests_takes_bounded_room() -> None:
    clock = Clock()
    watch = HeadWatch(clock=clock)
    for head in range(1, 3 * SAMPLES_MAX):
        clock.now += 1
        watch.move(head)

        assert len(watch._heads) == len(watch._seen_at) <= SAMPLES_MAX
    assert SAMPLES_MAX / 2 <= watch.lag_seconds(1) < SAMPLES_MAX
    assert watch.lag_seconds(watch.head - 10) == 9


def test_a_part_that_stays_while_the_head_moves_is_stalled() -> None:
    clock = Clock()
    watch = HeadWatch(5, clock=clock)
    watch.note("stuck", 5)
    watch.note("slow", 5)
    watch.move(9)
    for _ in range(int(STALLED_SECONDS) + 1):
        clock.now += 1
        watch.note("stuck", 5)
        watch.note("slow", 6 if clock.now > 120 else 5)

    assert watch.stalled("stuck")
    assert not watch.stalled("slow")


def test_a_head_that_does_not_move_stalls_nobody() -> None:
    clock = Clock()
    watch = HeadWatch(9, clock=clock)
    watch.note("search", 9)
    clock.now += 10 * STALLED_SECONDS
    watch.move(10)
    clock.now += STALLED_SECONDS - 1

    assert watch.lag_seconds(9) == STALLED_SECONDS - 1
    assert not watch.stalled("search")
