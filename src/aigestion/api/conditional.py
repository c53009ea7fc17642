"""What an answer that may be kept says of itself: its tag, who may keep it, and the page behind it (RFC 9110, 8288)."""

import hashlib
from typing import Any
from urllib.parse import parse_qsl, urlencode

Headers = list[tuple[bytes, bytes]]

TAG_BYTES = 12
_KEPT = (
    # A caller's own cache may keep it, and asks before it shows it: keys and erasures count at once.
    (b"cache-control", b"private, no-cache"),
    (b"vary", b"authorization, accept"),
)


def entity_tag(body: bytes) -> bytes:
    """The tag of a body: equal bodies have equal tags, whatever else was recorded in between.

    Weak, for an encoding may be put around the body on its way.
    """
    return b'W/"%b"' % hashlib.blake2b(body, digest_size=TAG_BYTES).hexdigest().encode()


def keeping(tag: bytes) -> Headers:
    """The headers of an answer to a GET."""
    return [(b"etag", tag), *_KEPT]


def has_it(if_none_match: str | None, tag: bytes) -> bool:
    """Whether the caller's `If-None-Match` names the tag, compared weakly."""
    if if_none_match is None:
        return False
    opaque = tag.decode().removeprefix("W/")
    known = (one.strip() for one in if_none_match.split(","))
    return any(one == "*" or one.removeprefix("W/") == opaque for one in known)


def next_link(scope: Any, cursor: str) -> tuple[bytes, bytes]:
    """The `Link` to the page behind this one: the same question, with its cursor."""
    asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    query = urlencode(
        [*((name, value) for name, value in asked if name != "cursor"), ("cursor", cursor)]
    )
    return b"link", f'<{scope["path"]}?{query}>; rel="next"'.encode("latin-1")
