"""What stands in a stored field instead of its value: `{"sealed":"<base64url>"}` or `{"blob":"<sha256>"}`."""

import binascii
import re

import msgspec

from aigestion.kernel.errors import Corrupt

_SEALED = b'{"sealed":"'
_BLOB = b'{"blob":"'
_END = b'"}'
_HASH_CHARS = 64
_BLOB_REFERENCE_BYTES = len(_BLOB) + _HASH_CHARS + len(_END)
_TO_URL_ALPHABET = bytes.maketrans(b"+/", b"-_")
_FROM_URL_ALPHABET = bytes.maketrans(b"-_", b"+/")
_base64 = msgspec.json.Decoder(bytes)
"""Three times as fast as `binascii`, and every personal field of a log goes through it."""
_PADDED = (b'"', b'==="', b'=="', b'="')
_HASH = re.compile(rb"[0-9a-f]{64}")


def sealed_reference(sealed: bytes) -> bytes:
    """The JSON that holds sealed bytes."""
    encoded = binascii.b2a_base64(sealed, newline=False).translate(_TO_URL_ALPHABET)
    return _SEALED + encoded.rstrip(b"=") + _END


def sealed_in(value: bytes) -> bytes:
    """The sealed bytes that a field's JSON holds; `Corrupt` if it holds none: it should."""
    if not (value.startswith(_SEALED) and value.endswith(_END)):
        raise Corrupt("A personal value stands in the log unsealed.")
    text = value[len(_SEALED) : -len(_END)].translate(_FROM_URL_ALPHABET)
    try:
        return _base64.decode(b'"' + text + _PADDED[len(text) % 4])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Corrupt("A sealed value is not base64url.") from error


def blob_reference(content_hash: str) -> bytes:
    """The JSON that stands for a blob."""
    return _BLOB + content_hash.encode() + _END


def blob_hash_in(value: bytes) -> str | None:
    """The hash of the blob that a field's JSON stands for; None if it is a value of its own.

    A value that only looks like a reference is itself kept as a blob: every match is one.
    """
    if len(value) != _BLOB_REFERENCE_BYTES or not value.startswith(_BLOB):
        return None
    found = value[len(_BLOB) : -len(_END)]
    return found.decode() if _HASH.fullmatch(found) else None


def may_hold_blobs(data: bytes) -> bool:
    """False for an event of which no field is a blob: cheaper than looking at each."""
    return _BLOB in data
