"""The vault: one data key per (tenant, subject), opened when needed, gone when destroyed (law 10)."""

import asyncio
import hmac
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID, uuid4
from weakref import WeakValueDictionary

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from aigestion.eventstore.keyring import KeyTable, MasterKey, WrappedKey
from aigestion.kernel.errors import Corrupt, SubjectErased

OPENED_KEYS_MAX = 50_000
"""About 1 KiB each."""
OPENED_KEY_AGE_MAX_SECONDS = 60.0
"""How long a key that another process destroyed may still be used in this one."""
KEY_BYTES = 32
NONCE_BYTES = 12
KEYED_HASH_CHARS = 32
_VERSION = b"\x01"
_KEY_ID_END = len(_VERSION) + 16
_HEADER_BYTES = _KEY_ID_END + NONCE_BYTES


class OpenedKey:
    """The data key of one subject. Sealed bytes are: version, key id, nonce, AES-256-GCM ciphertext and tag."""

    __slots__ = ("_cipher", "_hash_key", "_whose", "header", "key_id")

    def __init__(self, tenant: str, subject: str, key_id: UUID, secret: bytes) -> None:
        self.key_id = key_id
        self.header = _VERSION + key_id.bytes
        """What sealed bytes of this key begin with."""
        self._whose = framed(tenant.encode(), subject.encode())
        self._cipher = AESGCM(secret)
        self._hash_key = hmac.digest(secret, b"aigestion keyed hash", "sha256")

    def seal(self, plaintext: bytes, place: bytes) -> bytes:
        """Seal for one place in the log: elsewhere, or for another subject, it does not open."""
        nonce = os.urandom(NONCE_BYTES)
        return self.header + nonce + self._cipher.encrypt(nonce, plaintext, self._whose + place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """The plaintext; `Corrupt` if anything of it, its key or its place is not what it was."""
        nonce = sealed[_KEY_ID_END:_HEADER_BYTES]
        try:
            return self._cipher.decrypt(nonce, sealed[_HEADER_BYTES:], self._whose + place)
        except (InvalidTag, ValueError) as error:
            raise Corrupt(
                "A sealed value was changed, or moved from where it was sealed."
            ) from error

    def keyed_hash(self, text: str) -> str:
        """Equal for equal texts of this subject; says nothing to whoever has not the key."""
        digest = hmac.digest(self._hash_key, text.encode(errors="surrogatepass"), "sha256")
        return digest.hex()[:KEYED_HASH_CHARS]


class DestroyedKey:
    """What is left of a data key that was destroyed: its name."""

    __slots__ = ("header", "key_id")

    def __init__(self, key_id: UUID) -> None:
        self.key_id = key_id
        self.header = _VERSION + key_id.bytes


class Vault:
    """Makes, opens, caches and destroys data keys.

    A destroyed subject stays destroyed: sealing for it again is refused (`SubjectErased`).
    """

    def __init__(
        self,
        keys: KeyTable,
        master: MasterKey,
        *,
        opened_keys_max: int = OPENED_KEYS_MAX,
        monotonic_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._master = master
        self._opened_keys_max = opened_keys_max
        self._now = monotonic_seconds
        self._cache: OrderedDict[tuple[str, str], tuple[float, OpenedKey | DestroyedKey]] = (
            OrderedDict()
        )
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    def cached(self, tenant: str, subject: str) -> OpenedKey | DestroyedKey | None:
        """The key, if no waiting is needed for it."""
        whose = (tenant, subject)
        entry = self._cache.get(whose)
        if entry is None or entry[0] < self._now():
            return None
        self._cache.move_to_end(whose)
        return entry[1]

    async def key_to_seal(self, tenant: str, subject: str) -> OpenedKey:
        """The subject's key, made at its first use; `SubjectErased` if it was destroyed."""
        key = self.cached(tenant, subject) or await self._load(tenant, subject, make=True)
        if isinstance(key, DestroyedKey):
            raise SubjectErased("This subject was erased; nothing personal can be recorded of it.")
        return key

    def key_at_hand(
        self, tenant: str, subject: str, sealed: bytes
    ) -> OpenedKey | DestroyedKey | None:
        """As `key_to_open`, if no waiting is needed for it and the key is the right one."""
        key = self.cached(tenant, subject)
        return key if key is not None and sealed.startswith(key.header) else None

    async def key_to_open(
        self, tenant: str, subject: str, sealed: bytes
    ) -> OpenedKey | DestroyedKey:
        """The key these bytes were sealed with, or what is left of it. `Corrupt` if it never was the subject's."""
        if len(sealed) < _HEADER_BYTES or sealed[:1] != _VERSION:
            raise Corrupt("A value is sealed in a form this program does not know.")
        key = self.cached(tenant, subject) or await self._load(tenant, subject, make=False)
        if not sealed.startswith(key.header):
            raise Corrupt("A value is sealed with a key that is not its subject's.")
        return key

    async def destroy(self, tenant: str, subject: str) -> None:
        """Destroy the subject's key for ever. Again is harmless.

        Other processes may use it for `OPENED_KEY_AGE_MAX_SECONDS` more.
        """
        async with self._lock(tenant, subject):
            await self._keys.destroy(tenant, subject)
            self._cache.pop((tenant, subject), None)

    async def keyed_hash(self, tenant: str, subject: str, text: str) -> str:
        """HMAC-SHA256 with a key of the subject, hex, 32 characters. `SubjectErased` if it was."""
        return (await self.key_to_seal(tenant, subject)).keyed_hash(text)

    async def _load(self, tenant: str, subject: str, *, make: bool) -> OpenedKey | DestroyedKey:
        async with self._lock(tenant, subject):  # concurrent first uses make one key
            if (key := self.cached(tenant, subject)) is not None:
                return key
            stored = await self._keys.find(tenant, subject)
            if stored is None and make:
                stored = await self._keys.create(tenant, subject, self._fresh(tenant, subject))
            if stored is None:
                raise Corrupt("A sealed value has no key: the table of keys is not the log's.")
            return self._remember(tenant, subject, stored)

    def _fresh(self, tenant: str, subject: str) -> WrappedKey:
        key_id = uuid4()
        context = _wrapping_context(tenant, subject, key_id)
        return WrappedKey(key_id, self._master.wrap(os.urandom(KEY_BYTES), context))

    def _remember(self, tenant: str, subject: str, stored: WrappedKey) -> OpenedKey | DestroyedKey:
        key: OpenedKey | DestroyedKey
        if stored.wrapped is None:
            key = DestroyedKey(stored.key_id)
        else:
            context = _wrapping_context(tenant, subject, stored.key_id)
            secret = self._master.unwrap(stored.wrapped, context)
            key = OpenedKey(tenant, subject, stored.key_id, secret)
        self._cache[tenant, subject] = (self._now() + OPENED_KEY_AGE_MAX_SECONDS, key)
        self._cache.move_to_end((tenant, subject))
        if len(self._cache) > self._opened_keys_max:
            self._cache.popitem(last=False)
        return key

    def _lock(self, tenant: str, subject: str) -> asyncio.Lock:
        return self._locks.setdefault((tenant, subject), asyncio.Lock())


def framed(*parts: bytes) -> bytes:
    """The parts with their lengths before them: no two lists of parts give the same bytes."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _wrapping_context(tenant: str, subject: str, key_id: UUID) -> bytes:
    return framed(tenant.encode(), subject.encode(), key_id.bytes)
