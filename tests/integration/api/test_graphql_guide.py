"""The guide's session, asked as it stands there, is answered as it stands there."""

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from aigestion.api.graphql import limits
from aigestion.api.graphql.operation import Operation
from tests.integration.api.test_graphql import ask, happened
from tests.support.api import Client
from tests.support.installation import Installation

GUIDE = (Path(__file__).parents[3] / "docs/guides/graphql.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", GUIDE, re.DOTALL)
DOCUMENTS = [text for language, text in BLOCKS if language == "graphql"]
ANSWERED = [
    (asked[1], json.loads(answer[1]))
    for asked, answer in pairwise([block for block in BLOCKS if block[0] != "sh"])
    if (asked[0], answer[0]) == ("graphql", "json")
]


def test_the_guide_has_a_session() -> None:
    assert len(DOCUMENTS) == 3
    assert len(ANSWERED) == 2


@pytest.mark.parametrize(("query", "expected"), ANSWERED)
async def test_it_is_answered_as_it_says(
    installation: Installation, client: Client, query: str, expected: Any
) -> None:
    await happened(installation, client)

    answer = await ask(client, query)

    for one in (answer, expected):
        assert one["extensions"].pop("position") > 0
    assert answer == expected


def test_it_names_the_limits_that_there_are() -> None:
    (table,) = re.findall(r"\| what \| limit \|\n(.*?)\n\n", GUIDE, re.DOTALL)
    named = [int(one.replace(",", "")) for one in re.findall(r"\b[\d,]+\b", table)]

    assert named == [
        limits.CHARS_MAX,
        limits.TOKENS_MAX,
        limits.DEPTH_MAX,
        limits.ALIASES_MAX,
        limits.REPEATS_MAX,
        limits.SELECTIONS_MAX,
        limits.COST_MAX,
    ]
    assert f"or {limits.LIST_ITEMS_ASSUMED} if it takes none" in GUIDE


def test_it_reckons_right() -> None:
    cost = Operation(DOCUMENTS[0]).cost

    assert (cost.units, cost.items) == (1 + 2 + 2, 2 + 2 + 2 * 20)
