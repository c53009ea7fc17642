"""API keys: `aig_<id>_<secret>_<crc>`, minted once, kept as a hash, typos refused without a look-up."""

import hashlib
import hmac
import re
import secrets
from zlib import crc32

import msgspec

ID_CHARS = 12
SECRET_BYTES = 32
_KEY_ID = re.compile(rf"[0-9a-f]{{{ID_CHARS}}}")
_KEY = re.compile(rf"(aig_([0-9a-f]{{{ID_CHARS}}})_[0-9a-f]{{{2 * SECRET_BYTES}}})_([0-9a-f]{{8}})")


class MintedKey(msgspec.Struct, frozen=True):
    """A fresh key. `key` is shown once; `secret_hash` is what the directory keeps."""

    key: str
    key_id: str
    secret_hash: str


class PresentedKey(msgspec.Struct, frozen=True):
    """A well-formed key somebody presents; whether it was issued is the directory's to say."""

    key_id: str
    secret_hash: str


def mint_key() -> MintedKey:
    """A key with a 256-bit secret."""
    key_id = secrets.token_hex(ID_CHARS // 2)
    body = f"aig_{key_id}_{secrets.token_hex(SECRET_BYTES)}"
    key = f"{body}_{_checksum(body)}"
    return MintedKey(key, key_id, token_hash(key))


def parse_key(text: str) -> PresentedKey | None:
    """What a key says of itself; None if it is malformed or misspelt."""
    parts = _KEY.fullmatch(text)
    if parts is None or _checksum(parts[1]) != parts[3]:
        return None
    return PresentedKey(parts[2], token_hash(text))


def is_key_id(text: str) -> bool:
    """Whether a key may be called that."""
    return _KEY_ID.fullmatch(text) is not None


def token_hash(token: str) -> str:
    """SHA-256 in hex. Enough for 256 random bits: there is nothing to guess slowly."""
    return hashlib.sha256(token.encode()).hexdigest()


def same_hash(one: str, other: str) -> bool:
    """Compare in a time that says nothing about where they differ."""
    return hmac.compare_digest(one, other)


def _checksum(body: str) -> str:
    return f"{crc32(body.encode()):08x}"
