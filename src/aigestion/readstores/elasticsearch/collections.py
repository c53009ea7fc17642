"""The collections of a projection as Elasticsearch keeps them: their mappings, and what they take."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from aigestion.kernel.errors import ChangeRejected, Misconfigured
from aigestion.readstores.elasticsearch.plain import plain
from aigestion.readstores.port import Put

MAPPINGS = Path(__file__).parent / "mappings"
KEY_BYTES_MAX = 512
KEYWORD_CHARS_MAX = 8_191
"""Of four bytes each, so many always fit into Lucene's 32,766 bytes."""
DELETED, DELETED_AT = "deleted", "deleted_at"
"""The fields of a tombstone: it stands where a row was, so that nobody late brings the row back."""

_TYPES: dict[str, Any] = {
    "keyword": Annotated[str, Meta(max_length=KEYWORD_CHARS_MAX)],
    "text": str,
    "long": Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)],
    "double": float,
    "boolean": bool,
    "date_nanos": Annotated[datetime, Meta(tz=True)],
    "object": Any,
}
_NANOS = range(1970, 2262)
"""The years a `date_nanos` can be in."""


class Collection:
    """One collection of a projection: what its index looks like, and its rows as documents.

    A document has the fields of its row; and, for each field that the mapping's `_meta.plain` names, the
    same text without accents, if it has any.
    """

    def __init__(self, name: str, mapping: Mapping[str, Any]) -> None:
        self.name = name
        self._plain: Mapping[str, str] = mapping.get("_meta", {}).get("plain", {})
        types = {field: given["type"] for field, given in mapping["properties"].items()}
        own = {field: type_ for field, type_ in types.items() if field not in self._plain.values()}
        self.fields = frozenset(own)
        self.looked_up = frozenset(
            field
            for field, type_ in own.items()
            if type_ not in ("text", "object") and mapping["properties"][field].get("index", True)
        )
        """Fields that rows can be deleted by."""
        self._moments = [field for field, type_ in own.items() if type_ == "date_nanos"]
        self._document = msgspec.defstruct(
            name,
            [(field, _TYPES[type_] | None, None) for field, type_ in types.items()],
            omit_defaults=True,
        )
        self.mapping = {
            **mapping,
            "dynamic": "strict",
            "properties": {
                **mapping["properties"],
                DELETED: {"type": "boolean"},
                DELETED_AT: {"type": "long"},
            },
        }

    def document(self, put: Put) -> bytes:
        """The row as a document. `ChangeRejected` for a value or a key it will never take."""
        if put.fields.keys() != self.fields:
            wrong = ", ".join(sorted(put.fields.keys() ^ self.fields))
            raise Misconfigured(
                f"Elasticsearch keeps whole rows: a put to {self.name} must name its fields, all of "
                f"them and no others ({wrong})."
            )
        try:
            if len(put.key.encode()) > KEY_BYTES_MAX or not put.key:
                raise ValueError(f"its key has not from 1 to {KEY_BYTES_MAX} bytes")
            document = msgspec.convert(put.fields, self._document)
            for field in self._moments:
                setattr(document, field, _moment(getattr(document, field)))
            for field, plain_field in self._plain.items():
                text = getattr(document, field)
                if text is not None and not text.isascii():
                    setattr(document, plain_field, plain(text))
            return msgspec.json.encode(document)
        except (
            ValueError,
            msgspec.MsgspecError,
        ) as error:  # the first is also what encoding raises
            raise ChangeRejected(
                f"{self.name} does not take the row {put.key[:100]!r}: {error}",
                collection=self.name,
            ) from error

    def row(self, source: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a document that are the row's."""
        return {name: source[name] for name in source if name in self.fields}


def as_stored(value: Any) -> Any:
    """A value as it comes back in a document."""
    return msgspec.to_builtins(_moment(value)) if isinstance(value, datetime) else value


@cache
def collections_of(projection: str, folder: Path = MAPPINGS) -> Mapping[str, Collection]:
    """By name. `Misconfigured` if there are no mappings for this projection."""
    path = folder / f"{projection}.json"
    if not path.exists():
        raise Misconfigured(f"The projection {projection} has no mappings: {path} is missing.")
    found = msgspec.json.decode(path.read_bytes())
    return {name: Collection(name, mapping) for name, mapping in found.items()}


def _moment(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    moment = value.astimezone(UTC)
    if moment.year not in _NANOS:
        raise ValueError(f"the year {moment.year} is out of range")
    return moment
