"""Two of the transcripts in the docs: a client generated from our document, and a run explained."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.program import Program
from tests.support.tasks import soon
from tests.support.transcripts import Transcript

BIN = Path(sys.executable).parent
SESSION = """
import sys
import time

from client import AuthenticatedClient
from client.api.conversations import post_interaction, read_conversation, start_conversation
from client.api.runs import list_runs
from client.models import ChatInteraction, ChatPayload, InteractionPosted, ListRunsState
from client.models import NewConversation, PageRunSummary, Problem, Started, Transcript

url, key = sys.argv[1:]
me = AuthenticatedClient(base_url=url, token=key)

started = start_conversation.sync(client=me, body=NewConversation(agent="harbour"))
assert isinstance(started, Started)
question = ChatInteraction(type_="user.chat", payload=ChatPayload(text="When does the ferry leave?"))
said = post_interaction.sync(started.conversation_id, client=me, body=question)
assert isinstance(said, InteractionPosted)

while True:
    seen = read_conversation.sync(started.conversation_id, client=me, min_position=said.position)
    if isinstance(seen, Transcript) and len(seen.messages) == 2 and seen.messages[1].text:
        break
    time.sleep(0.1)
for message in seen.messages:
    print(f"{message.kind}: {message.text}")

runs = list_runs.sync(client=me, agent="harbour", state=ListRunsState.REPLIED, limit=1)
assert isinstance(runs, PageRunSummary)
print("run:", runs.items[0].state, "after", runs.items[0].calls, "call of a model")
refused = post_interaction.sync(runs.items[0].run_id, client=me, body=question)
assert isinstance(refused, Problem)
print("a run is no conversation:", refused.status, refused.code)
"""
GRAPHQL = """
query Harbour {
  conversations(agent: "harbour", limit: 1) {
    items {
      messages
      runs(limit: 1) { items { state steps { calls { requestedModel state } } } }
    }
  }
}
"""
AGENT = {"description": "Knows the harbour.", "instructions": "Answer from the sources."}
FERRIES = "The ferry to the island leaves at nine and at five. On Sundays it leaves at ten only."


@pytest.fixture
def harbour(program: Program) -> Program:
    """The program, with an agent that knows one document."""
    document = {"title": "Ferries", "text": FERRIES, "source": "ferries.md"}
    _, added = program.http("POST", "/v1/documents", document)
    defined = {**AGENT, "documents": [added["document_id"]]}
    status, _ = program.http("PUT", "/v1/agents/harbour", defined)
    assert status == 200
    _, found = program.http("GET", f"/v1/documents?min_position={added['position']}")
    assert any(one["title"] == "Ferries" for one in found["items"])
    return program


def run(*command: str | Path, cwd: Path) -> str:
    """Its output; it must end well."""
    environment = {**os.environ, "NO_COLOR": "1", "PYTHONWARNINGS": "ignore"}
    ran = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_a_generated_client_type_checks_and_talks_and_graphql_tells_the_same(
    harbour: Program, tmp_path: Path
) -> None:
    doors = harbour.connect()
    told = Transcript(
        "generated-client-and-graphql",
        "A client generated from the document, and the same in GraphQL",
        "Nobody here wrote this client: `openapi-python-client` made it from the OpenAPI document that the server "
        "gives away, and `mypy` checks it and the program that uses it.",
    )
    (tmp_path / "generator.yml").write_text("post_hooks: []\n")
    generate = (
        *(BIN / "openapi-python-client", "generate", "--config", "generator.yml"),
        *("--url", f"{doors['http_url']}/schema/openapi.json"),
        *("--output-path", "client", "--meta", "none"),
    )
    run(*generate, cwd=tmp_path)
    (tmp_path / "session.py").write_text(SESSION)
    checked = run(BIN / "mypy", "--strict", "client", "session.py", cwd=tmp_path)
    printed = run(sys.executable, "session.py", doors["http_url"], doors["api_key"], cwd=tmp_path)
    told.ran(
        "openapi-python-client generate --url http://127.0.0.1:8080/schema/openapi.json --output-path client",
        "",
    )
    told.tell("`session.py`:")
    told.show(SESSION, "python")
    told.ran("mypy --strict client session.py", checked)
    told.ran("python session.py http://127.0.0.1:8080 $key", printed)

    status, answer = harbour.http("POST", "/graphql", {"query": GRAPHQL})
    assert (status, "errors" in answer) == (200, False), answer
    told.tell("The same conversation, asked for in one question at `/graphql`:")
    told.show(GRAPHQL, "graphql")
    told.show(json.dumps(answer["data"], indent=2), "json")
    told.check()

    [conversation] = answer["data"]["conversations"]["items"]
    assert conversation["messages"] == 2
    assert "run: replied after 1 call" in printed


def test_a_run_is_explained_as_a_tree(harbour: Program) -> None:
    _, started = harbour.http("POST", "/v1/conversations", {"agent": "harbour"})
    conversation = started["conversation_id"]
    question = "When does the ferry leave on Sundays?"
    asked = harbour.cli("ask", question, "--conversation", conversation)
    path = f"/v1/runs?conversation_id={conversation}&state=replied"
    [run] = soon(lambda: harbour.http("GET", path)[1]["items"])
    tree = harbour.cli("explain", run["run_id"])
    told = Transcript(
        "explain",
        "Why an agent said what it said",
        "`explain` takes the id of a run, or of any event, and prints what led to it and all that it led to: what was "
        "said, what was found, what was asked of which model, what came back, and how long each took.",
    )
    told.ran(f"aigestion ask '{question}' --conversation {conversation}", asked.stdout)
    told.ran(f"aigestion explain {run['run_id']}", tree.stdout)
    told.check()

    assert (asked.returncode, tree.returncode) == (0, 0)
    assert "Ferries" in tree.stdout
