"""The master key in a file: 32 random bytes that only their owner may read. Wraps data keys."""

import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from aigestion.eventstore.secret_file import kept_secret
from aigestion.kernel.errors import Corrupt

NONCE_BYTES = 12
KEY_ID_BYTES = 16
_VERSION = b"\x01"
_HEADER_BYTES = len(_VERSION) + KEY_ID_BYTES + NONCE_BYTES


class FileMasterKey:
    """A `MasterKey` whose secret is the whole content of one file, made at first use.

    A wrapped key is: 1 byte version, 16 bytes id of the master key, 12 bytes nonce, AES-256-GCM
    ciphertext with its tag. The id lets a later rotation tell which master key wrapped it.
    `Misconfigured` if the file cannot be made, is no key, or can be read by others.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        secret = kept_secret(path, "master key")
        self._cipher = AESGCM(secret)
        self._key_id = hashlib.sha256(b"aigestion master key id\0" + secret).digest()[:KEY_ID_BYTES]

    def wrapped(self, wrapped: bytes) -> bool:
        """Whether this key wrapped that data key."""
        return wrapped[1 : 1 + KEY_ID_BYTES] == self._key_id

    def wrap(self, data_key: bytes, context: bytes) -> bytes:
        """The data key, sealed in this context."""
        nonce = os.urandom(NONCE_BYTES)
        return _VERSION + self._key_id + nonce + self._cipher.encrypt(nonce, data_key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The data key; `Corrupt` if it was wrapped by another key or in another context."""
        if len(wrapped) < _HEADER_BYTES or wrapped[:1] != _VERSION:
            raise Corrupt("A data key is wrapped in a form this program does not know.")
        key_id, nonce = wrapped[1 : 1 + KEY_ID_BYTES], wrapped[1 + KEY_ID_BYTES : _HEADER_BYTES]
        if key_id != self._key_id:
            raise Corrupt(
                f"A data key was wrapped by another master key than {self._path}: put that one back."
            )
        try:
            return self._cipher.decrypt(nonce, wrapped[_HEADER_BYTES:], context)
        except InvalidTag as error:
            raise Corrupt("A wrapped data key was changed, or belongs to somebody else.") from error
