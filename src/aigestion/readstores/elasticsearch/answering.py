"""What it looks like when Elasticsearch does not do what it is asked: few errors for the rest of the program."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aigestion.kernel.errors import Unavailable

ENGINE = "elasticsearch"
MAY_PASS = (429, 500, 502, 503, 504)
"""Too busy, no master, a node that is going or coming."""
REASON_CHARS_MAX = 300


class NoSuchIndex(LookupError):
    """The index that was asked for is not there: its view was dropped."""


class SearchForgotten(LookupError):
    """The point in time that was asked for is not there: it has expired."""


@contextmanager
def answering() -> Iterator[None]:
    """Raises `Unavailable` for what may pass or a person has to repair meanwhile, and the two above.

    What is left is a fault of this program, and stays what it is.
    """
    from elasticsearch import ApiError, TransportError

    try:
        yield
    except TransportError as error:
        raise Unavailable("Elasticsearch does not answer.", engine=ENGINE) from error
    except ApiError as error:
        status, kind = error.meta.status, _type_of(error.body)
        if status in MAY_PASS:
            what = f"Elasticsearch cannot do it now ({status}: {reason_of(error.body)})."
            raise Unavailable(what, engine=ENGINE) from error
        if status in (401, 403):
            what = f"Elasticsearch does not let this program in ({reason_of(error.body)})."
            raise Unavailable(what, engine=ENGINE) from error
        if kind == "index_not_found_exception":
            raise NoSuchIndex(reason_of(error.body)) from error
        if status == 404 and "search_context_missing_exception" in str(error.body):
            raise SearchForgotten(reason_of(error.body)) from error
        raise


def reason_of(body: Any) -> str:
    """What Elasticsearch says is wrong, in a line."""
    error = body.get("error", body) if isinstance(body, dict) else body
    if isinstance(error, dict):
        error = error.get("reason") or error.get("type") or error
    return " ".join(str(error).split())[:REASON_CHARS_MAX]


def _type_of(body: Any) -> str | None:
    error = body.get("error") if isinstance(body, dict) else None
    return error.get("type") if isinstance(error, dict) else None
