"""Ports of the keys that seal personal fields: who keeps wrapped data keys, who wraps them (law 10)."""

from typing import Protocol
from uuid import UUID

import msgspec


class WrappedKey(msgspec.Struct, frozen=True):
    """A data key of one (tenant, subject) as it is kept: wrapped by the master key."""

    key_id: UUID
    wrapped: bytes | None
    """None once the key is destroyed."""


class KeyTable(Protocol):
    """Where wrapped data keys live. Unlike the log it forgets: that is its purpose."""

    async def create(self, tenant: str, subject: str, key: WrappedKey) -> WrappedKey:
        """Store the key unless the subject has one; returns the one that stands."""
        ...

    async def find(self, tenant: str, subject: str) -> WrappedKey | None:
        """The subject's key, if it ever had one."""
        ...

    async def destroy(self, tenant: str, subject: str) -> None:
        """Forget the key for ever; what it sealed opens as erased from now on."""
        ...


class MasterKey(Protocol):
    """Wraps data keys. A file at first; a key management service later."""

    def wrap(self, data_key: bytes, context: bytes) -> bytes: ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The data key; `Corrupt` if it was wrapped by another key or in another context."""
        ...
