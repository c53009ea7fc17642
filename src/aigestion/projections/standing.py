"""What the register of views means for one program: what it serves, and what there is to build or go back to."""

from collections.abc import Iterable

import msgspec

from aigestion.projections.projection import Projection
from aigestion.projections.views import ViewState
from aigestion.readstores.port import View


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The views of one projection, as a program of one version sees them."""

    active: View | None = None
    """What programs that understand it serve."""
    serving: View | None = None
    """What this program serves: the active view, or while that is of another version, as in a rolling
    deploy, the newest of its own version that there is."""
    building: View | None = None
    """The newest that is being filled, by any program."""
    retired: View | None = None
    """What `rollback` goes back to."""

    newer: View | None = None
    """The active view, if it is of a version that this program does not know."""


def standing_of(projection: Projection, views: Iterable[tuple[View, ViewState]]) -> Standing:
    """`views` in order of generation, of any projections."""
    mine = [(view, state) for view, state in views if view.projection == projection.name]
    newest = {state: view for view, state in mine}
    active = newest.get("active")
    serving = active
    if active is not None and active.version != projection.version:
        own = [v for v, state in mine if state == "retired" and v.version == projection.version]
        serving = own[-1] if own else None
    return Standing(
        active=active,
        serving=serving,
        building=newest.get("building"),
        retired=newest.get("retired"),
        newer=active if active is not None and active.version > projection.version else None,
    )
