"""Requests made up from the OpenAPI document: no server error, no answer that the document does not name."""

import asyncio
import os
import sys
from pathlib import Path

from tests.integration.api.conftest import Wire

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
SECONDS_MAX = 900


async def test_every_answer_is_one_that_the_document_promises(wire: Wire, tmp_path: Path) -> None:
    tool = Path(sys.executable).with_name("st")
    ran = await asyncio.create_subprocess_exec(
        *(tool, "--config-file", CONFIGURATION, "--no-color"),
        *("run", f"http://127.0.0.1:{wire.port}/schema/openapi.json"),
        *("--header", f"Authorization: Bearer {wire.world.demo.key}"),
        *("--exclude-path-regex", "/stream$", "--checks", "all"),
        cwd=tmp_path,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(ran.communicate(), SECONDS_MAX)

    assert ran.returncode == 0, output.decode()[-8000:]
    assert "Tested: " in output.decode()
