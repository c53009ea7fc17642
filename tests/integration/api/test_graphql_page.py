"""The page's own script, run by Node with as much of a browser as it needs, against the server."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import aigestion.api.graphql.explorer as explorer
from tests.integration.api.conftest import Wire
from tests.support.tasks import WAIT_SECONDS_MAX

NODE = Path(sys.executable).with_name("node")
BROWSER = """
const parts = {};
const listeners = {};
globalThis.document = {
  getElementById: (id) => (parts[id] ??= {
    value: "", textContent: "", disabled: false,
    addEventListener: (kind, heard) => { listeners[`${id} ${kind}`] = heard; },
  }),
};
const { base, key, query, variables, until, stop } = JSON.parse(process.argv[1]);
const asked = fetch;
globalThis.fetch = (path, options) => asked(base + path, options);
%s
const shown = () => `${part("status").textContent}\\n${part("result").textContent}`;
part("key").value = key;
part("query").value = query;
part("variables").value = variables;
listeners["ask submit"]({ preventDefault() {} });
const began = Date.now();
const waiting = setInterval(() => {
  if (!shown().includes(until) && Date.now() - began < 20000) return;
  clearInterval(waiting);
  const before = shown();
  if (stop) listeners["stop click"]();
  setTimeout(() => {
    console.log(JSON.stringify({ before, after: part("status").textContent, stop: part("stop").disabled }));
    process.exit();
  }, 200);
}, 10);
"""


async def page(wire: Wire, query: str, until: str, **asked: Any) -> dict[str, Any]:
    """What the page shows once `until` is in it."""
    given = {
        "base": f"http://127.0.0.1:{wire.port}", "key": wire.world.demo.key, "query": query,
        "variables": "", "until": until, "stop": False,
    } | asked  # fmt: skip
    script = (Path(explorer.__file__).parent / "explorer.js").read_text()
    ran = await asyncio.create_subprocess_exec(
        *(NODE, "-e", BROWSER % script.replace('"use strict";', ""), json.dumps(given)),
        env={**os.environ, "NO_COLOR": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(ran.communicate(), WAIT_SECONDS_MAX)
    assert ran.returncode == 0, errors.decode()
    shown: dict[str, Any] = json.loads(output)
    return shown


async def test_a_query_is_run_and_shown(wire: Wire) -> None:
    shown = await page(wire, "{ agents { items { agent } } }", "200 OK")

    assert '"agent": "assistant"' in shown["before"]


async def test_a_bad_key_is_shown(wire: Wire) -> None:
    shown = await page(wire, "{ __typename }", "401", key="nonsense")

    assert '"code": "unauthenticated"' in shown["before"]


async def test_bad_variables_are_told_and_not_sent(wire: Wire) -> None:
    shown = await page(wire, "{ __typename }", "SyntaxError", variables="{bad")

    assert shown["stop"] is True


async def test_a_subscription_is_followed_until_it_is_stopped(
    wire: Wire, conversation: str
) -> None:
    query = "subscription ($id: UUID!) { live(conversationId: $id) { event { type } } }"
    variables = json.dumps({"id": conversation})

    shown = await page(wire, query, "conversation.started", variables=variables, stop=True)

    assert shown["before"].startswith("Following…")
    assert (shown["after"], shown["stop"]) == ("Stopped.", True)


async def test_the_end_of_a_subscription_is_told(wire: Wire) -> None:
    query = (
        'subscription { live(conversationId: "0199aa10-0000-7000-8000-00000000dead") '
        "{ event { type } } }"
    )

    shown = await page(wire, query, "Complete.")

    assert '"code": "not-found"' in shown["before"]
