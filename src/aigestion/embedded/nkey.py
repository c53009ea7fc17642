"""Keys as NATS has them: an Ed25519 pair whose private half never comes to the server."""

import base64
import binascii
import os

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_SEED, _USER = 18 << 3, 20 << 3
"""The kinds, in the upper five bits of a byte: they make the first letter `S` or `U`."""


class UserKey(msgspec.Struct, frozen=True):
    """A user's key. Who has the seed is the user."""

    public: str
    """`U…`: what a server's configuration holds."""
    seed: str
    """`SU…`: the secret, in the form every NATS client takes."""


def new_user_key() -> UserKey:
    """A fresh key of 256 random bits."""
    private = os.urandom(32)
    public = Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    kind = bytes([_SEED | _USER >> 5, (_USER & 31) << 3])
    return UserKey(_text(bytes([_USER]) + public), _text(kind + private))


def _text(kind_and_key: bytes) -> str:
    checked = kind_and_key + binascii.crc_hqx(kind_and_key, 0).to_bytes(2, "little")
    return base64.b32encode(checked).decode().rstrip("=")
