"""What every query returns: the answer and the position it reflects; pages and their cursors."""

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from aigestion.kernel.errors import InvalidInput

PAGE_ITEMS_MAX = 200
CURSOR_CHARS_MAX = 4_096
BIGINT_MAX = 2**63 - 1

T = TypeVar("T")
K = TypeVar("K", bound=msgspec.Struct)

Position = Annotated[int, msgspec.Meta(ge=0, le=BIGINT_MAX)]


class Answer(msgspec.Struct, Generic[T], frozen=True):
    """`data` as the read model had it at `position`, or later: never earlier."""

    position: int
    data: T
    stale: bool = False
    """Events up to `position` that belong here may be missing: they are in quarantine. Not to be cached."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some items, and where the next ones begin."""

    items: list[T]
    next_cursor: str | None
    """Opaque; None on the last page. Only the query it came from, asked alike, takes it."""
    stale: bool = False
    """Something may be missing: some of it waits in quarantine."""


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cursor, opened: which question it belongs to, and the key of the last item shown."""

    q: str
    k: msgspec.Raw


class Cursors(Generic[K]):
    """Writes and reads the cursors of one question: a query with its tenant and all its filters.

    `key` is the struct that orders the items. Paging by key shows every item that stays exactly once,
    whatever is added while somebody pages.
    """

    def __init__(self, key: type[K], question: Sequence[Any]) -> None:
        self._key = key
        self._question = hashlib.sha256(msgspec.json.encode(question)).hexdigest()[:16]

    def encode(self, key: K) -> str:
        content = msgspec.json.encode(
            _Envelope(self._question, msgspec.Raw(msgspec.json.encode(key)))
        )
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    def decode(self, cursor: str | None) -> K | None:
        """The key to go on after; None without a cursor; `InvalidInput` for one that is not ours."""
        if cursor is None:
            return None
        try:
            if len(cursor) > CURSOR_CHARS_MAX:
                raise ValueError("too long")
            content = base64.b64decode(
                cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True
            )
            envelope = msgspec.json.decode(content, type=_Envelope)
            if envelope.q != self._question:
                raise ValueError("of another question")
            return msgspec.json.decode(envelope.k, type=self._key)
        except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
            raise invalid("cursor", "is not a cursor of this query") from error

    def page(self, items: list[T], limit: int, key_of: Callable[[T], K]) -> Page[T]:
        """A page of at most `limit`, from up to `limit + 1` items read."""
        shown = items[:limit]
        more = len(items) > limit
        return Page(shown, self.encode(key_of(shown[-1])) if more else None)


def checked_limit(limit: int, limit_max: int = PAGE_ITEMS_MAX) -> int:
    """The limit, if it is one; `InvalidInput` otherwise."""
    if not 1 <= limit <= limit_max:
        raise invalid("limit", f"must be from 1 to {limit_max}")
    return limit


def is_text(value: str) -> bool:
    """Whether every engine can take it: no NUL, no lone surrogates."""
    return "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)


def invalid(field: str, message: str) -> InvalidInput:
    """The error that names one bad field."""
    return InvalidInput(f"{field} {message}.", errors=[{"field": field, "message": message}])
