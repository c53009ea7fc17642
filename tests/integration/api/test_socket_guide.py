"""The guide's two programs that use a socket run as they stand there: one in Python, one for a page, in Node."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.integration.api.conftest import Wire
from tests.support.tasks import WAIT_SECONDS_MAX, patience

GUIDE = Path(__file__).parents[3] / "docs/guides/follow-a-conversation.md"
TEXT = GUIDE.read_text()
ADDRESS = "localhost:8080"
NODE = Path(sys.executable).with_name("node")

PAGE = """
const [host, id, key] = process.argv.slice(2);
let last = 0;
function connectAgain(after) {
  console.log(`again after ${after}`);
  process.exit(0);
}
%s
socket.onopen = () => {
  console.log(`spoken: ${socket.protocol}`);
  socket.send(JSON.stringify({ type: "user.chat", payload: { text: "Good morning!" } }));
};
const heard = socket.onmessage;
socket.onmessage = (message) => {
  heard(message);
  console.log(message.data);
};
"""


def example(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return str(found)


async def run(*program: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


async def test_the_program_gets_its_reply(wire: Wire, conversation: str, agent: None) -> None:
    program = example("python").replace(ADDRESS, f"127.0.0.1:{wire.port}")
    call = f"\nasyncio.run(main({conversation!r}, {wire.world.demo.key!r}))\n"

    ran = await run(sys.executable, "-c", program + call)
    output, errors = await asyncio.wait_for(ran.communicate(), WAIT_SECONDS_MAX)

    assert (ran.returncode, errors) == (0, b"")
    assert "'text': 'You said Hello.'" in output.decode()


@pytest.mark.skipif(not NODE.exists(), reason="There is no Node beside this Python.")
async def test_a_page_speaks_listens_and_connects_again_when_the_server_stops(
    wire: Wire, conversation: str, agent: None, tmp_path: Path
) -> None:
    page = tmp_path / "page.mjs"
    page.write_text(PAGE % example("js").replace("wss://", "ws://"))
    ran = await run(
        str(NODE), str(page), f"127.0.0.1:{wire.port}", conversation, wire.world.demo.key
    )
    assert ran.stdout is not None
    lines: list[str] = []
    async with patience():
        while not lines or '"agent.replied"' not in lines[-1]:
            lines.append((await ran.stdout.readline()).decode())
        wire.world.doors.draining.set()
        output, errors = await ran.communicate()

    assert lines[0] == "spoken: aigestion.v1\n"
    assert "You said Good morning!." in lines[-1]
    last = await wire.world.log.head()
    assert f"again after {last}\n" in output.decode(), errors.decode()
