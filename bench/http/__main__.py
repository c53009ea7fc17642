"""`python -m bench.http`: POST …/interactions at 1, 16 and 64 connections beside a trivial POST of bare Litestar."""

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

from bench.http.load import Measured, measure, post
from bench.results import Ratio, Section, keeping, told

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
    keeping(arguments)
    given = arguments.parse_args()
    seconds: float = given.seconds
    rows: list[list[str]] = []
    ratios: list[Ratio] = []
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
            rates = []
            for name, at, requests in (
                ("interaction", port, interactions),
                ("bare Litestar", doors["bare_port"], trivial),
            ):
                before = cpu_seconds(process)
                measured = uvloop.run(measure(at, requests, connections, seconds))
                used = cpu_seconds(process) - before
                rows.append(row(connections, name, measured, used))
                rates.append(measured.per_second)
            ratios.append(
                Ratio(
                    f"durable interaction / bare POST, {connections} connections",
                    rates[0] / rates[1],
                )
            )
    section = Section(
        name="http",
        title="Interactions over HTTP",
        told="`POST /v1/conversations/{id}/interactions`, answered once the event is durable, over 64 "
        "conversations; and a POST of the same size to a Litestar application that has nothing, in the "
        "same process and server. CPU µs: of the server process, a request.",
        columns=["POST", "connections", "req/s", "p50 ms", "p99 ms", "CPU µs"],
        rows=rows,
        ratios=ratios,
    )
    told(section, given.keep)


def row(connections: int, name: str, measured: Measured, cpu: float) -> list[str]:
    points = [f"{measured.percentile(share):.2f}" for share in (0.5, 0.99)]
    rate = f"{measured.per_second:,.0f}"
    return [name, str(connections), rate, *points, f"{cpu / measured.requests * 1e6:.0f}"]


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
