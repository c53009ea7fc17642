"""Vectors that are there already: of the point itself, or of its like in an older view."""

import re
from collections.abc import Iterable
from contextlib import suppress

from aigestion.kernel.errors import Misconfigured, Unavailable
from aigestion.readstores.port import View
from aigestion.readstores.qdrant.points import MODEL, Payload, embedded_text
from aigestion.readstores.qdrant.port import Engine, Found, NoSuchView, Points, Vector

_VIEW = re.compile(r"(?P<projection>\w+)_v(?P<version>\d+)_g(?P<generation>\d+)")

Wanted = dict[str, tuple[Payload, str]]
"""(payload, text) of points that need a vector, by id."""


async def fitting(source: Points, wanted: Wanted) -> Found:
    """The wanted points whose vectors the source has, made by the same model from the same text."""
    if not wanted:
        return {}
    taken: dict[str, tuple[Payload, Vector]] = {}
    for id_, (present, vector) in (await source.find_with_vectors(list(wanted))).items():
        payload, text = wanted[id_]
        fits = present.get(MODEL) == payload[MODEL] and embedded_text(present) == text
        if fits and vector is not None:
            taken[id_] = (payload, vector)
    return taken


class Elder:
    """The newest other view of a view's projection. It saves work only: nothing is wrong without one."""

    def __init__(self, engine: Engine, view: View, dimensions: int) -> None:
        self._engine = engine
        self._view = view
        self._dimensions = dimensions
        self._elder: View | None = None
        self._looked = False

    async def fitting(self, wanted: Wanted) -> Found:
        """As above; nothing if there is no such view, or its vectors are of another kind."""
        if not self._looked:
            self._elder = _elder(self._view, await self._engine.names())
            self._looked = True
        with suppress(NoSuchView, Misconfigured, Unavailable):
            points = self._elder and await self._engine.open(self._elder, self._dimensions)
            if points:
                return await fitting(points, wanted)
        return {}


def _elder(view: View, names: Iterable[str]) -> View | None:
    found = [match for match in map(_VIEW.fullmatch, names) if match]
    views = [View(m["projection"], int(m["version"]), int(m["generation"])) for m in found]
    others = [other for other in views if other.projection == view.projection and other != view]
    return max(others, key=lambda other: (other.version, other.generation), default=None)
