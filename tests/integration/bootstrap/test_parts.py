"""Parts of roles: what makes a process of read models ready."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from aigestion.bootstrap.parts import views_health
from aigestion.kernel.errors import Unavailable
from aigestion.projections.progress import Progress
from aigestion.readstores.port import View


async def test_a_process_is_ready_once_the_views_it_keeps_serve() -> None:
    progress = Progress(["runs", "search", "activity"])
    side = cast(Any, SimpleNamespace(progress=progress))
    check = views_health(side, ["runs", "search"])["views"]

    progress.advance(View("runs", 1, 1), 7)
    with pytest.raises(Unavailable, match="search"):
        await check()

    progress.advance(View("search", 2, 3), 7)
    await check()
