"""The library's side, in a process of its own: `eventsourcing`'s stock Postgres recorders under threads.

`app` is its application recorder, `dcb` its DCB recorder; one event an append, as everywhere here.
"""

import random
import sys
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit
from uuid import uuid4

from eventsourcing.dcb.api import DCBEvent
from eventsourcing.dcb.postgres_tt import PostgresDCBRecorderTT
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from bench.append.ours import CONVERSATIONS, DATA, USERS


def main() -> None:
    """Arguments: owner URL, `app` or `dcb`, threads, seconds. Prints appends a second."""
    url, recorder, threads, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    parts = urlsplit(url)
    with PostgresDatastore(
        parts.path[1:],
        parts.hostname or "",
        parts.port or 5432,
        parts.username or "",
        parts.password or "",
        pool_size=threads,
    ) as datastore:
        append = dcb(datastore) if recorder == "dcb" else application(datastore)
        append()
        print(rate(append, threads, seconds))


def application(datastore: PostgresDatastore) -> Callable[[], object]:
    recorder = PostgresApplicationRecorder(datastore)
    recorder.create_table()
    return lambda: recorder.insert_events([StoredEvent(uuid4(), 1, "user.chat", DATA)])


def dcb(datastore: PostgresDatastore) -> Callable[[], object]:
    recorder = PostgresDCBRecorderTT(datastore)
    recorder.create_table()

    def append() -> object:
        tags = [
            f"demo/conversation:{random.randrange(CONVERSATIONS):036}",
            f"demo/user:{random.randrange(USERS):08}",
            f"demo/request:{random.randrange(10**9):032}",
        ]
        return recorder.append([DCBEvent("user.chat", DATA, tags)])

    return append


def rate(append: Callable[[], object], threads: int, seconds: float) -> float:
    counts = [0] * threads
    end = time.perf_counter() + seconds

    def work(index: int) -> None:
        while time.perf_counter() < end:
            append()
            counts[index] += 1

    workers = [threading.Thread(target=work, args=(index,)) for index in range(threads)]
    started = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
