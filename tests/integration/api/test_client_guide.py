"""Every example of the client's guide runs as it stands there, against the API with an agent behind it."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.integration.api.conftest import Wire
from tests.support.tasks import WAIT_SECONDS_MAX

GUIDE = Path(__file__).parents[3] / "docs/guides/python-client.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
ADDRESS = "http://127.0.0.1:8080"


def test_the_guide_has_examples() -> None:
    assert len(EXAMPLES) == 3
    assert all(ADDRESS in example for example in EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
async def test_an_example_runs(wire: Wire, agent: None, example: str) -> None:
    program = example.replace(ADDRESS, f"http://127.0.0.1:{wire.port}")

    ran = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        env={"AIGESTION_API_KEY": wire.world.demo.key},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(ran.communicate(), WAIT_SECONDS_MAX)

    assert (ran.returncode, errors) == (0, b"")
    assert "You said Good morning!" in output.decode() or "agent.replied" in output.decode()
