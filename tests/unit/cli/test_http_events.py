"""Commands over HTTP: the feed of a key, and what needs more than HTTP."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import msgspec
import pytest
from click.testing import CliRunner, Result

from aigestion.cli.app import aigestion
from tests.unit.audit.histories import CONVERSATION, QUESTION, RUN, Truth
from tests.unit.cli.fake_api import FakeApi, fake_api


def answer_from(truth: Truth, api: FakeApi) -> None:
    """Route every question for events to this history's."""
    events = [asyncio.run(truth.codec.open(row)) for row in truth.history.rows]

    def answer(asked: str) -> tuple[int, Any]:
        query = parse_qs(urlsplit(asked).query)
        after, limit = int(query.get("after", ["0"])[0]), int(query["limit"][0])
        found = [
            event
            for event in events
            if event.position > after
            and event.type in query.get("type", [event.type])
            and set(query.get("tag", [])) <= set(event.tags)
        ][:limit]
        last = found[-1].position if len(found) == limit else len(events)
        return 200, {"items": msgspec.to_builtins(found), "next_after": last}

    api.answering["/v1/events"] = answer
    for event in events:
        api.routes["GET", f"/v1/events/{event.id}"] = 200, msgspec.to_builtins(event)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[FakeApi]:
    truth = Truth(tmp_path)
    asyncio.run(truth.tell())
    with fake_api(tmp_path / "data", lambda api: answer_from(truth, api)) as api:
        yield api


def call(api: FakeApi, *arguments: str) -> Result:
    return CliRunner().invoke(aigestion, [*arguments, "--url", api.url, "--key", "aig_key"])


def positions(api: FakeApi, *arguments: str) -> list[int]:
    result = call(api, "events", "--jsonl", *arguments)
    assert result.exit_code == 0, result.output
    return [json.loads(line)["position"] for line in result.stdout.splitlines()]


def test_events_come_from_the_feed_of_the_key(api: FakeApi) -> None:
    assert positions(api) == [1, 2, 3, 4, 5]
    assert positions(api, "--type", "user.*") == [2]
    assert positions(api, "--tag", f"conversation:{CONVERSATION}", "--after", "-2") == [4, 5]
    assert positions(api, "--since", "2026-05-04T12:04Z", "--limit", "1") == [4]
    assert {one.headers["Authorization"] for one in api.asked} == {"Bearer aig_key"}


def test_a_conversation_is_replayed_from_the_feed(api: FakeApi) -> None:
    result = call(api, "replay", str(CONVERSATION), "--at", "3")

    assert result.exit_code == 0, result.output
    assert "(had not answered yet)" in result.stdout


def test_an_event_is_found_by_its_id_and_explained(api: FakeApi) -> None:
    api.routes["GET", f"/v1/events/{UUID(int=7)}"] = 404, {"status": 404}

    found = call(api, "explain", str(QUESTION), "--json")
    of_run = call(api, "explain", str(RUN), "--json")
    unknown = call(api, "explain", str(UUID(int=7)))

    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["roots"][0]["event"]["position"] == 2
    assert json.loads(of_run.stdout)["roots"][0]["event"]["position"] == 3
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert unknown.stderr == f"error: There is no event and no run {UUID(int=7)}.\n"


def test_a_key_that_opens_nothing_is_one_line(api: FakeApi) -> None:
    api.answering["/v1/events"] = lambda _: (401, {"detail": "No such key.", "status": 401})

    result = call(api, "events")

    assert (result.exit_code, result.stderr) == (1, "error: No such key.\n")


@pytest.mark.parametrize(
    "arguments",
    [["events", "--all-tenants"], ["events", "--tenant", "demo"]],
    ids=" ".join,
)
def test_the_key_says_whose_events(api: FakeApi, arguments: list[str]) -> None:
    result = call(api, *arguments)

    assert result.exit_code == 1
    assert "Over HTTP the key says whose events" in result.stderr


def test_without_a_key_nobody_is_asked(api: FakeApi) -> None:
    result = CliRunner().invoke(aigestion, ["events", "--url", api.url])

    assert result.exit_code == 1
    assert "--key" in result.stderr
    assert api.asked == []


@pytest.mark.parametrize("url", ["nonsense", "ftp://x", "http://", "http://127.0.0.1:9"])
def test_an_address_nobody_answers_at_is_one_line(url: str) -> None:
    result = CliRunner().invoke(aigestion, ["events", "--url", url, "--key", "k"])

    assert result.exit_code == 1, result.exception
    assert len(result.stderr.strip().splitlines()) == 1


def test_what_needs_the_log_itself_says_so(api: FakeApi) -> None:
    result = call(api, "audit", "verify")

    assert result.exit_code == 2
    assert "needs the log itself, which HTTP does not show" in result.stderr


def test_a_shape_that_is_no_event_is_one_line(api: FakeApi) -> None:
    api.answering["/v1/events"] = lambda _: (200, {"items": [{"type": "x"}], "next_after": 1})

    result = call(api, "events")

    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
