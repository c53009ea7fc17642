"""The garbage collector of a process that serves: it looks at what requests make, not at the program."""

import gc

THRESHOLDS = (20_000, 20, 50)


def settle_garbage() -> None:
    """What the start has made stays: the collector need not walk it again (8 % more requests)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
