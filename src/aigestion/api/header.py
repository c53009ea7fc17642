"""One header of a request, without making a dictionary of all of them first: that costs more than the look."""

from litestar.types import Scope


def first_header(scope: Scope, name: bytes) -> str | None:
    """The first header of this name (in lower case); None if there is none."""
    for one, value in scope["headers"]:
        if one == name:
            return value.decode("latin-1")
    return None
