"""The machine a measurement was taken on, in a line."""

import os
import platform
from pathlib import Path


def hardware(engine: str = "Postgres") -> str:
    """Processor, cores, memory, kernel, and the load before the run."""
    model = _first_of("/proc/cpuinfo", "model name")
    memory = int(_first_of("/proc/meminfo", "MemTotal").split()[0]) / 2**20
    return (
        f"{model}, {os.cpu_count()} cores shared by clients and {engine}, {memory:.0f} GiB, "
        f"Linux {platform.release()}, load {os.getloadavg()[0]:.1f} before the run"
    )


def _first_of(path: str, name: str) -> str:
    lines = Path(path).read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "?")
