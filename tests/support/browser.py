"""The page in a real browser: scenarios of `web/e2e`, run by the Node of a wheel in headless Chromium."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

WEB = Path(__file__).parents[2] / "web"
SHOTS = WEB / "shots"
"""What each scenario looked like; not kept in the repository."""
NODE = Path(sys.executable).parent / "node"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
SCENARIO_SECONDS_MAX = 300


def visited(scenario: str, url: str, key: str, **more: Any) -> Any:
    """What the scenario saw, of a page without faults: nothing on the console, nothing from elsewhere,
    nothing against its policy, nothing that an accessibility check finds."""
    report = _run(scenario, {"url": url, "key": key, **more})
    seen = report.pop("seen")
    assert not any(report.values()), report
    return seen


def _run(scenario: str, arguments: dict[str, Any]) -> dict[str, Any]:
    require_browser()
    SHOTS.mkdir(exist_ok=True)
    done = subprocess.run(
        [NODE, WEB / "e2e/run.ts", scenario],
        input=json.dumps({"chromium": CHROMIUM, "shots": str(SHOTS), **arguments}),
        capture_output=True,
        text=True,
        timeout=SCENARIO_SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def require_browser() -> None:
    """Skips, aloud, where there is none."""
    if CHROMIUM is None:
        pytest.skip(
            "NOT TRIED: the page in a browser. There is no Chromium (`apt install chromium`)."
        )
    if not (WEB / "node_modules/playwright-core").exists():
        _missing("`make page` installs what drives the browser.")


def _missing(reason: str) -> NoReturn:
    """Where everything is checked, a check that did not run has failed."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(f"NOT TRIED: the page in a browser. {reason}")
