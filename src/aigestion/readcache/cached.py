"""Queries answered from a cache, under a key that holds everything the answer depends on."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from aigestion.readcache.port import ReadCache

DIGEST_BYTES = 16

T = TypeVar("T")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A question, and how much of the log its answer reflects: the same again has the same answer.

    So an answer is never stale: at another position, or from another view, it is another question. And
    never shared: the tenant is part of it.
    """

    tenant: str
    query: str
    """The query's name; two that answer differently are named differently."""
    arguments: Any
    """All of them, as JSON can say them."""
    views: tuple[tuple[str, int], ...]
    """The name of each view that is read, and the position it is known to be at."""

    @property
    def key(self) -> str:
        """`<tenant>:<hash of all of it>`."""
        content = msgspec.json.encode(self, order="deterministic")
        return f"{quote(self.tenant, safe='')}:{hashlib.sha256(content).hexdigest()}"


class Cached:
    """Answers remembered in a cache; without one every question is asked."""

    def __init__(self, cache: ReadCache | None = None) -> None:
        self._cache = cache
        self.hits = 0
        self.misses = 0

    async def answer(
        self,
        asked: Asked,
        shape: type[T],
        ask: Callable[[], Awaitable[T]],
        *,
        cacheable: bool = True,
    ) -> T:
        """The answer of this shape, remembered or asked for. Raises only what `ask` raises.

        `cacheable=False` where the answer may change while the position stays: a view with events set
        aside, which are put in later.
        """
        if self._cache is None or not cacheable:
            return await ask()
        key = asked.key
        kept = await self._cache.get(key)
        if kept is not None and (content := _opened(key, kept)) is not None:
            try:
                remembered = msgspec.json.decode(content, type=shape)
            except msgspec.MsgspecError:  # of a program with another shape
                pass
            else:
                self.hits += 1
                return remembered
        self.misses += 1
        answer = await ask()
        await self._cache.put(key, _sealed(key, msgspec.json.encode(answer)))
        return answer


def _sealed(key: str, content: bytes) -> bytes:
    """The content, and before it a digest of key and content: no other bytes pass for it."""
    return _digest(key, content) + content


def _opened(key: str, kept: bytes) -> bytes | None:
    """The content, if it is whole and was put under this key."""
    digest, content = kept[:DIGEST_BYTES], kept[DIGEST_BYTES:]
    return content if digest == _digest(key, content) else None


def _digest(key: str, content: bytes) -> bytes:
    return hashlib.blake2b(content, key=key[-64:].encode(), digest_size=DIGEST_BYTES).digest()
