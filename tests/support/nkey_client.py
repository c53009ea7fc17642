"""A NATS client that signs in with a grant's seed, without the library that does so for users."""

import asyncio
import base64
import binascii
from contextlib import suppress
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nats.aio.client import Client

USER = bytes([20 << 3])
REFUSAL_SECONDS_MAX = 2


def public_key(seed: str) -> str:
    """What the server knows of a seed."""
    public = USER + _private(seed).public_key().public_bytes_raw()
    checked = public + binascii.crc_hqx(public, 0).to_bytes(2, "little")
    return base64.b32encode(checked).decode().rstrip("=")


class GrantedUser:
    """A connection with a credential, and what the broker has forbidden it."""

    def __init__(self, credential: dict[str, Any]) -> None:
        self.client = Client()
        self.credential = credential
        self.refusals: list[str] = []

    async def connect(self, **options: Any) -> None:
        async def heard(error: Exception) -> None:
            self.refusals.append(str(error))

        seed = self.credential["seed"]
        self.client._public_nkey = public_key(seed)
        await self.client.connect(
            self.credential["url"],
            inbox_prefix=self.credential["inbox_prefix"],
            signature_cb=lambda nonce: base64.b64encode(_private(seed).sign(nonce.encode())),
            error_cb=heard,
            **{"connect_timeout": 2, "reconnect_time_wait": 0.05, **options},
        )

    async def is_refused(self, what: str) -> bool:
        """Whether the broker said so since this was asked last; it may take its time."""
        await self.client.flush()
        with suppress(TimeoutError):
            async with asyncio.timeout(REFUSAL_SECONDS_MAX):
                while not self.refusals:
                    await asyncio.sleep(0.01)
        said, self.refusals = self.refusals, []
        return any(what in one for one in said)


def _private(seed: str) -> Ed25519PrivateKey:
    raw = base64.b32decode(seed + "=" * (-len(seed) % 8))
    return Ed25519PrivateKey.from_private_bytes(raw[2:34])
