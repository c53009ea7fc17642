"""`python -m bench.http`: POST …/interactions at 1, 16 and 64 connections beside a trivial POST;
then how long after its commit an event is with the broker and in each read model."""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import uvloop
from tests.support.engines import postgres_server

from bench.hardware import hardware
from bench.http.load import Measured, measure, post
from bench.http.visible import measure_visible

CONNECTIONS = (1, 16, 64)
WARM_UP_SECONDS = 1.0
BODY = b'{"type":"user.chat","payload":{"text":"What is a dense position, and why should I care?"}}'


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    arguments.add_argument("--profile", action="store_true", help="also say where the time goes")
    arguments.add_argument(
        "--limits", choices=("off", "memory", "valkey"), default="off", help="where limits are kept"
    )
    given = arguments.parse_args()
    seconds: float = given.seconds
    print(hardware())
    print(
        f"{'connections':>11}  {'POST':<13} {'req/s':>7} {'p50 ms':>7} {'p99 ms':>7} {'CPU µs':>7}"
    )
    with (
        postgres_server() as url,
        server(url, given.limits, profile=given.profile) as (doors, process),
    ):
        key, port = doors["key"], doors["port"]
        interactions = [
            post(f"/v1/conversations/{one}/interactions", key, BODY)
            for one in doors["conversations"]
        ]
        trivial = [post("/trivial", key, BODY)]
        uvloop.run(measure(port, interactions, max(CONNECTIONS), WARM_UP_SECONDS))
        for connections in CONNECTIONS:
            for name, at, requests in (
                ("interaction", port, interactions),
                ("bare Litestar", doors["bare_port"], trivial),
            ):
                before = cpu_seconds(process)
                measured = uvloop.run(measure(at, requests, connections, seconds))
                used = cpu_seconds(process) - before
                print(row(connections, name, measured, used), flush=True)
    print(f"\n{'commit to':<14} {'p50 ms':>7} {'p95 ms':>7} {'p99 ms':>7}")
    for name, values in sorted(measure_visible().items()):
        points = (values[int(len(values) * share)] for share in (0.5, 0.95, 0.99))
        print(f"{name:<14} " + " ".join(f"{point:>7.1f}" for point in points))


def row(connections: int, name: str, measured: Measured, cpu: float) -> str:
    return (
        f"{connections:>11}  {name:<13} {measured.per_second:>7.0f} {measured.percentile(0.5):>7.2f} "
        f"{measured.percentile(0.99):>7.2f} {cpu / measured.requests * 1e6:>7.0f}"
    )


@contextmanager
def server(
    database_url: str, limits: str, *, profile: bool
) -> Iterator[tuple[dict[str, Any], psutil.Process]]:
    """The measured server in a process of its own; yields what it listens on, and itself."""
    command = [sys.executable, "-m", "bench.http.server", database_url, "--limits", limits]
    command += ["--profile"] if profile else []
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline()), psutil.Process(process.pid)
        process.terminate()


def cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
