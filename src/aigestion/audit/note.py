"""Checkpoints as signed notes (C2SP tlog-checkpoint, signed-note), so that any tool for such logs reads them."""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from aigestion.audit.merkle import HASH_BYTES
from aigestion.kernel.errors import Corrupt, InvalidInput

_ED25519 = b"\x01"
_ID_BYTES = 4
_NAME = r"[^\s+]+"
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_SIGNATURE = re.compile(rf"— ({_NAME}) (\S+)")
_PUBLIC = re.compile(rf"({_NAME})\+([0-9a-f]{{8}})\+(\S+)")


@dataclass(frozen=True)
class Checkpoint:
    """What is signed: the first `size` events of the log `origin` have this root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"


@dataclass(frozen=True)
class PublicKey:
    """Who signed: the log's name and an Ed25519 key. Prints as a verifier key of the signed-note format."""

    name: str
    raw: bytes

    @classmethod
    def parse(cls, text: str) -> "PublicKey":
        """`InvalidInput` if it is no such key."""
        found = _PUBLIC.fullmatch(text.strip())
        decoded = _decoded(found[3]) if found else None
        if found and decoded and decoded[:1] == _ED25519 and len(decoded) == 1 + HASH_BYTES:
            key = cls(found[1], decoded[1:])
            if key.id.hex() == found[2]:
                return key
        raise InvalidInput(
            f"{text!r} is no public key of checkpoints, such as `aigestion audit key` prints."
        )

    @property
    def id(self) -> bytes:
        """What a signature names it by, beside its name."""
        return hashlib.sha256(f"{self.name}\n".encode() + _ED25519 + self.raw).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_base64(_ED25519 + self.raw)}"

    def signed(self, text: str, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer:
    """Signs checkpoints of one log."""

    def __init__(self, name: str, secret: bytes) -> None:
        """`secret`: the 32 bytes of an Ed25519 key."""
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        self.public = PublicKey(name, self._key.public_key().public_bytes_raw())

    def sign(self, size: int, root: bytes) -> str:
        """The signed note. The same for the same: Ed25519 leaves nothing to chance."""
        text = Checkpoint(self.public.name, size, root).text
        signature = self.public.id + self._key.sign(text.encode())
        return f"{text}\n— {self.public.name} {_base64(signature)}\n"


def opened(note: str, keys: Sequence[PublicKey]) -> Checkpoint:
    """The checkpoint of a note that one of the keys signed; `Corrupt` says what is wrong with it."""
    checkpoint, signatures = _parsed(note)
    mine = {(key.name, key.id): key for key in keys if key.name == checkpoint.origin}
    found = False
    for name, signature in signatures:
        key = mine.get((name, signature[:_ID_BYTES]))
        found = found or key is not None
        if key is not None and key.signed(checkpoint.text, signature[_ID_BYTES:]):
            return checkpoint
    if found:
        raise Corrupt("its signature is not that of its text")
    by = ", ".join(f"{name}+{signature[:_ID_BYTES].hex()}" for name, signature in signatures)
    raise Corrupt(f"it is signed by a key that is not known here: {by}")


def notes_in(text: str) -> list[str]:
    """The notes of a text that holds one after the other, with or without empty lines between them."""
    notes: list[str] = []
    lines: list[str] = []
    for line in text.splitlines():
        begins = not line.startswith("— ") and any(one.startswith("— ") for one in lines)
        if begins:
            notes.append("\n".join(lines) + "\n")
            lines = []
        if line or lines:
            lines.append(line)
    if any(lines):
        notes.append("\n".join(lines).rstrip("\n") + "\n")
    return notes


def _parsed(note: str) -> tuple[Checkpoint, list[tuple[str, bytes]]]:
    text, _, below = note.partition("\n\n")
    lines = text.split("\n")
    root = _decoded(lines[2]) if len(lines) == 3 else None
    if root is None or len(root) != HASH_BYTES or not lines[0] or not _SIZE.fullmatch(lines[1]):
        raise Corrupt("it is no checkpoint: origin, size, root, an empty line and a signature")
    signatures = []
    for line in below.removesuffix("\n").split("\n"):
        found = _SIGNATURE.fullmatch(line)
        signature = _decoded(found[2]) if found else None
        if found is None or signature is None or len(signature) <= _ID_BYTES:
            raise Corrupt("it has no signature, or a line that is none")
        signatures.append((found[1], signature))
    return Checkpoint(lines[0], int(lines[1]), root), signatures


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _decoded(text: str) -> bytes | None:
    """None if it is no Base64, or not as anybody would write it: one text for one content."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if _base64(content) == text else None
