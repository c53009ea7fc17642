"""Memory and descriptors of the roles, looked at while they work; where the system tells them."""

import asyncio
from contextlib import suppress
from pathlib import Path

from aigestion.prove.system import System

LOOK_SECONDS = 1.0


class Usage:
    """The most each process ever had."""

    def __init__(self) -> None:
        self.rss_bytes_max: dict[str, int] = {}
        self.descriptors_max: dict[str, int] = {}

    async def watch(self, system: System) -> None:
        """Look again and again, for ever."""
        while True:
            for node in system.nodes.values():
                if node.pid is not None:
                    self._look(node.name, node.pid)
            await asyncio.sleep(LOOK_SECONDS)

    def _look(self, name: str, pid: int) -> None:
        process = Path(f"/proc/{pid}")
        with suppress(OSError, ValueError, IndexError):
            status = (process / "status").read_text()
            kib = int(status.partition("VmRSS:")[2].split()[0])
            self.rss_bytes_max[name] = max(self.rss_bytes_max.get(name, 0), kib * 1024)
            held = sum(1 for _ in (process / "fd").iterdir())
            self.descriptors_max[name] = max(self.descriptors_max.get(name, 0), held)
